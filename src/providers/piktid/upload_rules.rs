//! Which uploads PiktID takes.

use crate::{
    asset::FileType,
    source::{SourceError, UploadOptions},
};

/// The types that the vendor's clients send and the older contract takes (docs/providers/piktid.md
/// 4.3).
const ACCEPTED_TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

pub fn check(kind: FileType, options: &UploadOptions) -> Result<(), SourceError> {
    if !options.is_none() {
        return Err(SourceError::Invalid(
            "this is a PiktID source, which has no options: leave them out".to_owned(),
        ));
    }
    if !ACCEPTED_TYPES.contains(&kind.media_type) {
        return Err(SourceError::UnsupportedMediaType(format!(
            "PiktID takes pictures in JPEG, PNG and WebP; the bytes are {}",
            kind.media_type
        )));
    }
    Ok(())
}
