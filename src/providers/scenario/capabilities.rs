//! What Scenario's API can do.

use crate::source::{Capabilities, DeleteEffect};

/// Returns the capabilities of an account, or of the public token.
pub fn capabilities(has_account: bool) -> Capabilities {
    Capabilities {
        tag_vocabulary: None,
        max_tags: None,
        has_exact_count: false,
        delete_effect: DeleteEffect::Recoverable,
        delete_description: "The asset is gone for everybody. Scenario can recover it for 30 days \
                             on its Max plan and above.",
        // Multipart uploads have no published limit (5.6).
        max_upload_bytes: None,
        max_batch_size: if has_account { 200 } else { 1 },
    }
}
