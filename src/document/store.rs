//! The document store parses and validates each document once, for all clients. It finds persisted
//! and trusted documents by hash or id.

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest;

use super::{
    Document, Validator,
    error::{DocumentError, ErrorCode},
};
use crate::{
    cache::{Hash, HashCache},
    schema::Code,
    settings::{Limits, TrustedDocuments},
};

/// Approximate memory per byte of text: the store keeps the output of two parsers.
const BYTES_PER_TEXT_BYTE: usize = 40;
/// Minimum memory of a document, in bytes.
const MIN_DOCUMENT_BYTES: usize = 2 * 1024;

/// Identifies a request's document. A valid request has at least one of the three.
#[derive(Debug, Default, Clone)]
pub struct DocumentRef {
    pub text: Option<String>,
    /// `extensions.persistedQuery.sha256Hash`.
    pub hash: Option<String>,
    /// `documentId`, or Relay's name for it.
    pub id: Option<String>,
}

/// The process-wide store of documents.
pub struct DocumentStore {
    rules: Validator,
    /// Documents by the hash of their text.
    read: HashCache<Document>,
    trusted: HashMap<String, Hash>,
    texts: HashMap<Hash, String>,
    only_trusted: bool,
}

impl DocumentStore {
    /// Creates a store that caches documents of at most `capacity` bytes in total.
    pub fn new(
        rules: Validator,
        trusted: TrustedDocuments,
        limits: &Limits,
        capacity: u64,
    ) -> Self {
        let mut store = Self {
            rules,
            read: HashCache::new(capacity),
            trusted: HashMap::new(),
            texts: HashMap::new(),
            only_trusted: trusted.only,
        };
        for (id, text) in trusted.documents {
            let hash = sha256(&text);
            if let Err(refusal) = Document::read(&text, limits, &store.rules) {
                // Older clients may still send it. They get the error when they do.
                tracing::warn!(
                    id,
                    reason = refusal.message,
                    "a trusted document does not fit this gateway: requests for it are refused"
                );
            }
            store.trusted.insert(id, hash);
            store.texts.insert(hash, text);
        }
        store
    }

    pub fn rules(&self) -> &Validator {
        &self.rules
    }

    /// Returns the document that a request identifies, from the cache or newly validated.
    ///
    /// # Errors
    /// A [`DocumentError`] for an unknown hash or id without text, or one that does not match the
    /// text. Also for an untrusted document if only trusted ones are allowed, and for invalid text.
    pub fn find(
        &self,
        reference: &DocumentRef,
        limits: &Limits,
    ) -> Result<Arc<Document>, DocumentError> {
        let (hash, text) = match &reference.text {
            Some(text) => {
                // Checks the length first: a refused text needs no hash.
                super::check_length(text, limits)?;
                let hash = sha256(text);
                self.check_name(reference, &hash)?;
                (hash, text.as_str())
            }
            None => match self.named(reference)? {
                Lookup::Read(document) => return Ok(document),
                Lookup::Trusted(hash, text) => (hash, text),
            },
        };
        if self.only_trusted && !self.texts.contains_key(&hash) {
            return Err(DocumentError::document(
                Code::Forbidden,
                "this gateway takes trusted documents only: send the id of one, as the manifest \
                 names it, or have this document added to the manifest",
            ));
        }
        if let Some(document) = self.read.get(&hash) {
            return Ok(document);
        }
        let document = Arc::new(Document::read(text, limits, &self.rules)?);
        let weight = weight(&document, text);
        self.read.keep(hash, Arc::clone(&document), weight);
        Ok(document)
    }

    /// Checks that the request's hash and id match the hash of its text.
    fn check_name(&self, reference: &DocumentRef, hash: &Hash) -> Result<(), DocumentError> {
        let named_hash = |name: &str| {
            let trusted = self.trusted.get(name).copied();
            trusted.or_else(|| from_hex(without_algorithm(name)))
        };
        let hash_fits = |name: &String| named_hash(name) == Some(*hash);
        // An id that is neither trusted nor a hash is the client's own, and is not checked.
        let id_fits = |name: &String| named_hash(name).is_none_or(|expected| expected == *hash);
        if reference.hash.as_ref().is_none_or(hash_fits)
            && reference.id.as_ref().is_none_or(id_fits)
        {
            return Ok(());
        }
        Err(DocumentError::bad_request(
            "the hash or id sent with the document does not match it: send the SHA-256 of \
             exactly this text, in hexadecimal",
        ))
    }

    /// Looks up a document by hash or id, without text.
    fn named(&self, reference: &DocumentRef) -> Result<Lookup<'_>, DocumentError> {
        let name = match (reference.hash.as_deref(), reference.id.as_deref()) {
            (Some(name), None) | (None, Some(name)) => name,
            (None, None) => return Err(DocumentError::bad_request("the request has no `query`")),
            (Some(_), Some(_)) => {
                return Err(DocumentError::bad_request(
                    "the request names its document twice: send `documentId` or \
                     `extensions.persistedQuery`",
                ));
            }
        };
        let trusted = self
            .trusted
            .get(name)
            .or_else(|| self.trusted.get(without_algorithm(name)));
        if let Some(hash) = trusted
            && let Some(text) = self.texts.get(hash)
        {
            return Ok(Lookup::Trusted(*hash, text));
        }
        let read = from_hex(without_algorithm(name)).and_then(|hash| {
            let is_allowed = !self.only_trusted || self.texts.contains_key(&hash);
            is_allowed.then(|| self.read.get(&hash)).flatten()
        });
        read.map(Lookup::Read).ok_or_else(|| {
            // Clients of the protocol look for exactly this message. They send the text next.
            DocumentError::document(ErrorCode::PersistedQueryNotFound, "PersistedQueryNotFound")
        })
    }
}

enum Lookup<'a> {
    Read(Arc<Document>),
    Trusted(Hash, &'a str),
}

/// Approximate memory of a document, in bytes.
fn weight(document: &Document, text: &str) -> usize {
    MIN_DOCUMENT_BYTES + text.len().saturating_mul(BYTES_PER_TEXT_BYTE) + document.bytes()
}

/// Strips the algorithm from an id that is a hash (GraphQL over HTTP, Persisted Documents).
fn without_algorithm(name: &str) -> &str {
    name.strip_prefix("sha256:").unwrap_or(name)
}

fn sha256(text: impl AsRef<[u8]>) -> Hash {
    let mut hash = Hash::default();
    let digest = digest::digest(&digest::SHA256, text.as_ref());
    hash.copy_from_slice(digest.as_ref()); // SHA-256: both have 32 bytes
    hash
}

fn from_hex(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    if text.len() != 2 * hash.len() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(trusted: TrustedDocuments) -> DocumentStore {
        let rules = Validator::new(&crate::schema::sdl(), true).expect("the schema holds");
        DocumentStore::new(rules, trusted, &Limits::default(), 1 << 20)
    }

    fn hashed(text: &str, send: bool) -> DocumentRef {
        let hash: String = sha256(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        DocumentRef {
            text: send.then(|| text.to_owned()),
            hash: Some(hash),
            id: None,
        }
    }

    fn code(store: &DocumentStore, reference: &DocumentRef) -> &'static str {
        match store.find(reference, &Limits::default()) {
            Ok(_) => "",
            Err(refusal) => refusal.code.as_str(),
        }
    }

    #[test]
    fn a_hash_is_known_once_its_text_was_sent() {
        let known = known(TrustedDocuments::default());
        let text = "{assetSources{name}}";
        assert_eq!(
            code(&known, &hashed(text, false)),
            "PERSISTED_QUERY_NOT_FOUND"
        );
        let other = DocumentRef {
            text: Some("{assetSources{id}}".to_owned()),
            ..hashed(text, false)
        };
        assert_eq!(code(&known, &other), "BAD_USER_INPUT");
        assert_eq!(
            code(&known, &hashed(text, false)),
            "PERSISTED_QUERY_NOT_FOUND"
        );
        assert_eq!(code(&known, &hashed(text, true)), "");
        assert_eq!(code(&known, &hashed(text, false)), "");
        let as_id = DocumentRef {
            id: hashed(text, false)
                .hash
                .map(|hash| format!("sha256:{hash}")),
            ..DocumentRef::default()
        };
        assert_eq!(code(&known, &as_id), "");
        let with_id = |id: &str| DocumentRef {
            text: Some(text.to_owned()),
            id: Some(id.to_owned()),
            hash: None,
        };
        assert_eq!(code(&known, &with_id("a client's own")), "");
        assert_eq!(code(&known, &with_id(&"0".repeat(64))), "BAD_USER_INPUT");
        let invalid = "{nope}";
        assert_eq!(
            code(&known, &hashed(invalid, true)),
            "GRAPHQL_VALIDATION_FAILED"
        );
        assert_eq!(
            code(&known, &hashed(invalid, false)),
            "PERSISTED_QUERY_NOT_FOUND"
        );
    }

    #[test]
    fn what_a_document_spreads_counts_for_what_it_takes() {
        let known = known(TrustedDocuments::default());
        let mut text = "query { asset(id: \"x\") { ...f0 } }".to_owned();
        for level in 0..5 {
            let next = level + 1;
            text += &format!(
                "fragment f{level} on Asset {{ preview {{ ...f{next} }} parent {{ ...f{next} }} }}"
            );
        }
        text += "fragment f5 on Asset { id name kind tags }";
        let limits = Limits::default();
        let read = |text: &str| {
            Document::read(text, &limits, known.rules()).map_err(|error| error.message)
        };
        let spread = read(&text).expect("it is valid");
        // It has 2 + 4 + … + 32 and 32 * 4 selections, and the first.
        assert!(spread.bytes() > 190 * 400, "{}", spread.bytes());
        // Ten such operations exceed the size limit of merged operations.
        let ten: String = (0..10)
            .map(|number| text.replacen("query", &format!("query Q{number}"), 1))
            .map(|copy| copy.split("fragment").next().unwrap_or_default().to_owned())
            .collect();
        let fragments = &text[text.find("fragment").unwrap_or_default()..];
        let many = read(&format!("{ten}{fragments}")).expect("it is valid");
        assert_eq!(many.bytes(), 0);
    }

    #[test]
    fn with_trusted_documents_only_nothing_else_is_taken() {
        let text = "{assetSources{name}}";
        let known = known(TrustedDocuments {
            documents: vec![("42".to_owned(), text.to_owned())],
            only: true,
        });
        let by_id = |id: &str| DocumentRef {
            id: Some(id.to_owned()),
            ..DocumentRef::default()
        };
        assert_eq!(code(&known, &by_id("42")), "");
        assert_eq!(code(&known, &by_id("43")), "PERSISTED_QUERY_NOT_FOUND");
        assert_eq!(code(&known, &hashed(text, true)), "");
        assert_eq!(code(&known, &hashed(text, false)), "");
        let other = "{assetSources{id}}";
        assert_eq!(code(&known, &hashed(other, true)), "FORBIDDEN");
        assert_eq!(
            code(&known, &hashed(other, false)),
            "PERSISTED_QUERY_NOT_FOUND"
        );
    }
}
