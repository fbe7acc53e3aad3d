//! JSON Web Tokens of one issuer (RFC 7519), checked against its published keys (RFC 7517).
//!
//! Only the configured algorithms, issuer and audience are believed; keys inside a token, or at an
//! address that a token names, never are.

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
use crate::config::{ConfigError, JwtConfig, Permission};

/// Letters of a subject that the log shows.
const MAX_SUBJECT: usize = 128;

/// The caller that the issuer vouches for.
pub struct Tokens {
    validation: Validation,
    keys: Arc<KeySet>,
}

/// What a token says.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// One, as text: what it is was checked.
    #[serde(rename = "iss")]
    _iss: String,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    /// RFC 8693 4.2; issuers that are older, or of their own mind, use the others.
    scope: Option<Words>,
    scp: Option<Words>,
    permissions: Option<Words>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    /// Apart by spaces.
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
    pub fn new(config: JwtConfig) -> Result<Self, ConfigError> {
        let algorithms: Result<Vec<Algorithm>, _> =
            config.algorithms.iter().map(|name| name.parse()).collect();
        let algorithms = algorithms
            .map_err(|_| ConfigError("`algorithms` names one that is not known".to_owned()))?;
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

    /// Who a token speaks for.
    pub async fn subject(&self, token: &str) -> Result<Caller, Denied> {
        let header = decode_header(token).map_err(|_| Denied::Token("it is no signed JWT"))?;
        if !self.validation.algorithms.contains(&header.alg) {
            return Err(Denied::Token(
                "it is signed by an algorithm that is not used here",
            ));
        }
        // RFC 7515 4.1.11: who does not understand what is critical refuses.
        if header.crit.is_some() || header.extras.inner().contains_key("b64") {
            return Err(Denied::Token("it wants something understood that is not"));
        }
        let known = self.keys.for_token(&header).await?;
        let mut reason = Denied::Token("it is signed by a key that the issuer does not have");
        for key in known {
            let mut validation = self.validation.clone();
            // Exactly the one it says: a key of one family is never used as another's.
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
        // Those alike in what is shown are told apart by a hash of the whole.
        let rest = if subject == claims.sub && !subject.contains('#') {
            String::new()
        } else {
            format!("#{}", &blake3::hash(claims.sub.as_bytes()).to_hex()[..16])
        };
        let until = claims.exp as i64;
        let until = until.saturating_add(self.validation.leeway as i64);
        Ok(Caller {
            who: format!("sub:{}{rest}", subject.escape_debug()).into(),
            permissions: words
                .into_iter()
                .flatten()
                .flat_map(Words::permissions)
                .collect(),
            // Beyond what a clock can show is for ever.
            until: Timestamp::from_second(until).ok(),
        })
    }
}

/// What is wrong with a token whose signature is right; `None`: the signature is not.
fn why(error: &Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::ExpiredSignature => Some("it has expired"),
        ErrorKind::ImmatureSignature => Some("it is not valid yet"),
        ErrorKind::InvalidIssuer => Some("it is of another issuer"),
        ErrorKind::InvalidAudience => Some("it is meant for somebody else (`aud`)"),
        ErrorKind::MissingRequiredClaim(_) => Some("it lacks one of `exp`, `iss`, `aud`, `sub`"),
        ErrorKind::Json(_) | ErrorKind::InvalidClaimFormat(_) => {
            Some("its claims are not what they should be")
        }
        _ => None,
    }
}
