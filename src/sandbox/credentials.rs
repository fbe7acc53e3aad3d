//! The credentials that the sandbox accepts; each start creates new ones.

/// One set of credentials for the three servers.
#[derive(Debug, Clone)]
pub struct Credentials {
    pub scenario_key: String,
    pub scenario_secret: String,
    /// A user's token for Scenario (`Bearer`).
    pub scenario_jwt: String,
    pub piktid_token: String,
    pub comfy_key: String,
}

impl Credentials {
    pub(super) fn random() -> Self {
        let credential = |prefix: &str| {
            let bytes = random();
            let digits: String = bytes[..12].iter().map(|b| format!("{b:02x}")).collect();
            format!("{prefix}{digits}")
        };
        Self {
            scenario_key: credential("api_"),
            scenario_secret: credential(""),
            scenario_jwt: credential("jwt-"),
            piktid_token: credential("pikt-"),
            comfy_key: credential("comfyui-"),
        }
    }
}

/// Returns 32 random bytes.
pub fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    // This fails only where the operating system has no randomness at all.
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
