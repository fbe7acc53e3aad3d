//! Verifies JSON Web Tokens of one issuer (RFC 7519) with its published keys (RFC 7517).
//!
//! It accepts only the configured algorithms, issuer and audience. It never uses keys inside a
//! token, or at a URL that a token names.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, Validation, decode, decode_header,
    errors::{Error, ErrorKind},
};
use serde::Deserialize;

use super::{
    caller::{Caller, Denied},
    jwks::KeySet,
};
use crate::settings::{ConfigError, JwtConfig, Permission};

/// The most characters of a subject that the log shows.
const MAX_SUBJECT: usize = 128;

/// Verifies the issuer's tokens.
pub struct Tokens {
    validation: Validation,
    keys: Arc<KeySet>,
}

/// The claims of a token.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Read for its type: it must be one string. The validation checks its value.
    #[serde(rename = "iss")]
    _iss: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    /// RFC 8693 4.2. Older or nonconforming issuers use `scp` or `permissions`.
    scope: Option<Words>,
    scp: Option<Words>,
    permissions: Option<Words>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    /// Separated by spaces.
    Text(String),
    List(Vec<String>),
}

impl Words {
    fn permissions(&self) -> impl Iterator<Item = Permission> {
        let words: HashSet<&str> = match self {
            Self::Text(text) => text.split(' ').collect(),
            Self::List(list) => list.iter().map(String::as_str).collect(),
        };
        let has = move |permission: &Permission| words.contains(permission.word());
        Permission::ALL.into_iter().filter(has)
    }
}

impl Tokens {
    /// Asks the issuer for its keys: see [`KeySet::probe`].
    pub async fn probe_issuer(&self) -> Option<Result<usize, String>> {
        self.keys.probe().await
    }

    pub fn new(config: JwtConfig) -> Result<Self, ConfigError> {
        let algorithms: Result<Vec<Algorithm>, _> =
            config.algorithms.iter().map(|name| name.parse()).collect();
        let algorithms = algorithms
            .map_err(|_| ConfigError::new("`algorithms` has an unknown algorithm".to_owned()))?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.algorithms = algorithms;
        validation.leeway = config.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[config.issuer]);
        validation.set_audience(&config.audiences);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Ok(Self {
            validation,
            keys: Arc::new(KeySet::new(config.keys)?),
        })
    }

    /// Verifies a token and returns its caller.
    pub async fn verify(&self, token: &str) -> Result<Caller, Denied> {
        let header = decode_header(token).map_err(|_| Denied::Token("it is not a signed JWT"))?;
        if !self.validation.algorithms.contains(&header.alg) {
            return Err(Denied::Token(
                "it is signed with an algorithm that is not accepted here",
            ));
        }
        // RFC 7515 4.1.11: refuses a token with a critical header that it does not understand.
        if header.crit.is_some() || header.extras.inner().contains_key("b64") {
            return Err(Denied::Token("it needs an unsupported header extension"));
        }
        let candidates = self.keys.for_token(&header).await?;
        let mut reason = Denied::Token("it is signed with a key that the issuer does not list");
        for key in candidates {
            let mut validation = self.validation.clone();
            // Only the token's algorithm: a key of one family never serves another.
            validation.algorithms = vec![header.alg];
            match decode::<Claims>(token, &key, &validation) {
                Ok(token) => return self.caller(&token.claims),
                Err(error) => match why(&error) {
                    Some(why) => return Err(Denied::Token(why)),
                    None => reason = Denied::Token("its signature is wrong"),
                },
            }
        }
        Err(reason)
    }

    fn caller(&self, claims: &Claims) -> Result<Caller, Denied> {
        let latest = Timestamp::now().as_second() as f64 + self.validation.leeway as f64;
        let is_early = |time: Option<f64>| time.is_some_and(|time| time.is_nan() || time > latest);
        if is_early(claims.nbf) || is_early(claims.iat) {
            return Err(Denied::Token("it is not valid yet"));
        }
        if claims.sub.is_empty() {
            return Err(Denied::Token("it names no subject (`sub`)"));
        }
        let words = [&claims.scope, &claims.scp, &claims.permissions];
        let subject: String = claims.sub.chars().take(MAX_SUBJECT).collect();
        // A hash of the whole subject distinguishes those that look alike when shown.
        let suffix = if subject == claims.sub && !subject.contains('#') {
            String::new()
        } else {
            format!("#{}", &blake3::hash(claims.sub.as_bytes()).to_hex()[..16])
        };
        let expires_at = claims.exp as i64;
        let expires_at = expires_at.saturating_add(self.validation.leeway as i64);
        Ok(Caller {
            who: format!("sub:{}{suffix}", subject.escape_debug()).into(),
            permissions: words
                .into_iter()
                .flatten()
                .flat_map(Words::permissions)
                .collect(),
            // A time beyond the range of `Timestamp` never expires.
            expires_at: Timestamp::from_second(expires_at).ok(),
        })
    }
}

/// Why a token with a valid signature is refused. `None`: the signature is invalid.
fn why(error: &Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::ExpiredSignature => Some("it has expired"),
        ErrorKind::ImmatureSignature => Some("it is not valid yet"),
        ErrorKind::InvalidIssuer => Some("it is from another issuer"),
        ErrorKind::InvalidAudience => Some("it is for another audience (`aud`)"),
        ErrorKind::MissingRequiredClaim(_) => Some("it lacks one of `exp`, `iss`, `aud`, `sub`"),
        ErrorKind::Json(_) | ErrorKind::InvalidClaimFormat(_) => {
            Some("a claim is missing, or has the wrong type or format")
        }
        _ => None,
    }
}
