//! Typed settings: what the modules are configured with, and the reader that fills it from a TOML
//! file and environment variables.
//!
//! Each error names the key or variable, the file and line if there is one, and the expected value.
//! Secrets are [`Secret`]: they cannot be printed, and no message quotes them.

mod access;
mod allowed_origin;
mod cache;
mod documents;
mod environment;
mod error;
mod file_path;
mod key_names;
mod key_type;
mod keys;
mod limits;
mod numbers;
mod one_or_more;
mod reader;
mod secret;
mod table;
mod web_url;

pub use access::{
    AccessConfig, AccessMode, AccessSection, JwksConfig, JwtConfig, JwtSection, KEY_PREFIX,
    KeyConfig, KeySection, Permission, RateLimit, RateLimitSection, read_access,
};
pub use allowed_origin::AllowedOrigin;
pub use cache::{CacheConfig, CacheSizes, Freshness, FreshnessOverrides, read_cache};
pub use documents::{DocumentsSection, TrustedDocuments, read_documents};
pub use environment::Environment;
pub use error::ConfigError;
pub use file_path::FilePath;
pub use key_type::{Key, KeyType};
pub use keys::keys;
pub use limits::Limits;
pub use numbers::{positive, seconds};
pub use reader::Reader;
pub use secret::{Secret, credential};
pub use table::{Origin, PREFIX, Table, Values, variable};
pub use web_url::{is_this_machine, web_url};
