//! API keys of this gateway. The configuration holds only their hashes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::caller::{Caller, Denied};
use crate::settings::{KEY_PREFIX, KeyConfig, Secret};

/// The configured keys.
pub struct Keys(Vec<(blake3::Hash, Caller)>);

impl Keys {
    pub fn new(keys: Vec<KeyConfig>) -> Self {
        let entries = keys.into_iter().map(|key| {
            let caller = Caller {
                who: format!("key:{}", key.id).into(),
                permissions: key.permissions.into_iter().collect(),
                expires_at: None,
            };
            (blake3::Hash::from_bytes(key.hash), caller)
        });
        Self(entries.collect())
    }

    /// Finds the holder of a key. Always compares all hashes, each in constant time: the time taken
    /// does not depend on the key.
    pub fn holder(&self, key: &str) -> Result<Caller, Denied> {
        let sent_hash = blake3::hash(key.as_bytes());
        let mut holder = None;
        for (hash, caller) in &self.0 {
            if *hash == sent_hash {
                holder = Some(caller);
            }
        }
        holder.cloned().ok_or(Denied::UnknownKey)
    }
}

/// A new key. It is shown once; only its hash is stored.
pub struct NewKey {
    pub key: Secret,
    /// The hash in the format of the configuration.
    pub hash: String,
}

impl NewKey {
    /// Makes a key of 32 random bytes. It cannot be guessed, so a fast hash is enough.
    ///
    /// # Errors
    /// [`getrandom::Error`]: the operating system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let key = format!("{KEY_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
        Ok(Self {
            hash: format!("blake3:{}", blake3::hash(key.as_bytes())),
            key: Secret::new(key),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Permission;

    #[test]
    fn a_key_opens_what_its_hash_was_given_for() {
        let new = NewKey::random().expect("random bytes");
        let hash = new.hash.strip_prefix("blake3:").expect("a prefix");
        let hash = blake3::Hash::from_hex(hash).expect("a hash");
        let keys = Keys::new(vec![KeyConfig {
            id: "web".to_owned(),
            hash: *hash.as_bytes(),
            permissions: vec![Permission::Read],
        }]);
        let caller = keys.holder(new.key.expose()).expect("known");
        assert_eq!(&**caller.who(), "key:web");
        assert!(caller.may(Permission::Read) && !caller.may(Permission::Delete));
        let other = NewKey::random().expect("random bytes");
        for wrong in [other.key.expose(), &new.hash, hash.to_hex().as_str()] {
            assert_eq!(keys.holder(wrong).err(), Some(Denied::UnknownKey));
        }
    }
}
