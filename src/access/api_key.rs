//! Keys of this gateway's own. Only their hashes are configured.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::caller::{Caller, Denied};
use crate::config::{KeyConfig, Secret};

/// Tells a key of ours from others, for people and for programs that look for leaked ones.
const PREFIX: &str = "agw_";

/// The keys that are known.
pub struct Keys(Vec<(blake3::Hash, Caller)>);

impl Keys {
    pub fn new(keys: Vec<KeyConfig>) -> Self {
        let known = keys.into_iter().map(|key| {
            let caller = Caller {
                who: format!("key:{}", key.id).into(),
                permissions: key.permissions.into_iter().collect(),
                until: None,
            };
            (blake3::Hash::from_bytes(key.hash), caller)
        });
        Self(known.collect())
    }

    /// Whose key it is. Takes the same time whichever it is: hashes are compared in constant time,
    /// and all of them.
    pub fn holder(&self, key: &str) -> Result<Caller, Denied> {
        let shown = blake3::hash(key.as_bytes());
        let mut holder = None;
        for (hash, caller) in &self.0 {
            if *hash == shown {
                holder = Some(caller);
            }
        }
        holder.cloned().ok_or(Denied::UnknownKey)
    }
}

/// A key as it is made: shown once, and kept as its hash.
pub struct NewKey {
    pub key: Secret,
    /// As the configuration wants it.
    pub hash: String,
}

impl NewKey {
    /// 32 random bytes. They cannot be guessed, so a fast hash is enough.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
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
