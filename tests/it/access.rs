//! Access control: keys, tokens, scopes, rate limits.

use std::sync::atomic::Ordering;

use asset_gateway::{config::Config, sandbox::Sandbox};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{
    harness::{TestGateway, asset_id, configured, error, world_of},
    issuer::{ISSUER, Issuer, Signer, claims, seconds},
};

const LIST: &str = "{ assets(first: 1) { nodes { id viewerCanTag viewerCanDelete } } }";

fn hash(key: &str) -> String {
    format!("blake3:{}", blake3::hash(key.as_bytes()))
}

/// An `[access]` configuration with three keys: for reading, for writing, and for deleting.
pub fn keys() -> String {
    let key = |id: &str, scopes: &str| {
        let hash = hash(&format!("key-of-{id}"));
        format!("[[access.keys]]\nid = \"{id}\"\nhash = \"{hash}\"\nscopes = [{scopes}]\n")
    };
    [
        "[access]\nmode = \"keys\"\n".to_owned(),
        key("reader", "\"assets:read\""),
        key("writer", "\"assets:read\", \"assets:write\""),
        key("cleaner", "\"assets:delete\""),
    ]
    .concat()
}

impl TestGateway {
    async fn as_bearer(&self, key: &str, query: &str) -> (u16, Value) {
        let bearer = format!("Bearer {key}");
        let (status, _, answer) = self.with(&[("authorization", &bearer)], query).await;
        (status, answer)
    }
}

#[tokio::test]
async fn requests_without_a_known_key_are_refused() {
    let world = world_of(&keys()).await;
    let (status, headers, answer) = world.with(&[], LIST).await;
    assert_eq!((status, &*error(&answer).0), (401, "UNAUTHENTICATED"));
    assert!(
        headers["www-authenticate"]
            .to_str()
            .expect("text")
            .starts_with("Bearer")
    );
    let hash = hash("key-of-reader");
    for wrong in [
        "Bearer key-of-nobody",
        "Bearer ",
        "Bearer",
        "key-of-reader",
        "Basic key-of-reader",
        "Bearer key-of-reader key-of-reader",
        "Bearer  key-of-reader",
        // The hash that the configuration holds is not a key.
        &format!("Bearer {hash}"),
    ] {
        let (status, _, answer) = world.with(&[("authorization", wrong)], LIST).await;
        assert_eq!(
            (status, &*error(&answer).0),
            (401, "UNAUTHENTICATED"),
            "{wrong}"
        );
        assert!(!answer.to_string().contains("key-of"), "{answer}");
    }
    let twice = [
        ("authorization", "Bearer key-of-reader"),
        ("authorization", "Bearer key-of-reader"),
    ];
    assert_eq!(world.with(&twice, LIST).await.0, 401);
    // A key in the query string does not authenticate.
    let url = world.url("/graphql?query={__typename}&access_token=key-of-reader");
    assert_eq!(world.get(&url).await.status(), 401);
    assert_eq!(world.calls(), [0, 0, 0], "nobody was asked anything");
    assert_eq!(world.as_bearer("key-of-reader", LIST).await.0, 200);
    let (status, _, _) = world
        .with(&[("authorization", "bearer key-of-reader")], LIST)
        .await;
    assert_eq!(status, 200, "the scheme has no case");
    // With access control, `/ready` reports its status alone.
    let ready = world.get(&world.url("/ready")).await.text().await;
    let ready: Value = serde_json::from_str(&ready.expect("text")).expect("JSON");
    assert_eq!(ready, json!({ "status": "ready" }));
}

#[tokio::test]
async fn a_key_permits_exactly_its_scopes() {
    let world = world_of(&keys()).await;
    let asset = world.sandbox.store.piktid()[0].id.clone();
    let id = asset_id("piktid", &asset);
    let tag = format!(
        "mutation {{ r: addAssetTags(input: {{assetIds: [\"{id}\"], tags: [\"person\"]}}) {{ assets {{ id }} errors {{ code }} }} }}"
    );
    let note = format!(
        "mutation {{ r: setAssetNote(input: {{assetId: \"{id}\", note: \"x\"}}) {{ errors {{ code }} }} }}"
    );
    let delete =
        format!("mutation {{ r: deleteAsset(input: {{assetId: \"{id}\"}}) {{ deletedId }} }}");
    let bulk = format!(
        "mutation {{ r: bulkDeleteAssets(input: {{assetIds: [\"{id}\"]}}) {{ deletedIds }} }}"
    );
    let upload = "mutation { r: uploadAsset(input: {source: \"piktid\", base64: \"aGFsbG8=\"}) { errors { code } } }".to_owned();
    let reads = [
        LIST.replace("assets(", "r: assets("),
        format!("{{ r: asset(id: \"{id}\") {{ id }} }}"),
        format!("{{ r: node(id: \"{id}\") {{ id }} }}"),
        format!("{{ r: nodes(ids: [\"{id}\"]) {{ id }} }}"),
        "{ r: piktidAssets(first: 1) { nodes { id } } }".to_owned(),
        "{ r: assetSources { name } }".to_owned(),
        format!(
            "{{ r: _entities(representations: [{{__typename: \"Asset\", id: \"{id}\"}}]) {{ __typename }} }}"
        ),
    ];
    let writes = [tag, note, upload];
    let deletes = [delete, bulk];
    for (key, scopes) in [
        ("key-of-cleaner", [false, false, true]),
        ("key-of-reader", [true, false, false]),
        ("key-of-writer", [true, true, false]),
    ] {
        let kinds = [
            (&reads[..], "assets:read"),
            (&writes[..], "assets:write"),
            (&deletes[..], "assets:delete"),
        ];
        for ((operations, scope), may) in kinds.into_iter().zip(scopes) {
            for operation in operations {
                let (status, answer) = world.as_bearer(key, operation).await;
                assert_eq!(status, 200, "{answer}");
                let refused = answer["errors"][0]["extensions"]["code"] == "FORBIDDEN";
                assert_eq!(refused, !may, "{key}: {operation}: {answer}");
                if refused {
                    assert!(error(&answer).1.contains(scope), "{answer}");
                }
            }
        }
    }
    // The `viewerCan…` fields reflect the caller's scopes.
    let (_, answer) = world.as_bearer("key-of-reader", LIST).await;
    let node = &answer["data"]["assets"]["nodes"][0];
    assert_eq!(
        (&node["viewerCanTag"], &node["viewerCanDelete"]),
        (&json!(false), &json!(false))
    );
}

#[tokio::test]
async fn a_refused_write_leaves_its_siblings_whole() {
    let world = world_of(&keys()).await;
    let id = asset_id("comfy", &world.sandbox.store.comfy()[0].id.clone());
    let both = format!(
        "mutation {{ a: deleteAsset(input: {{assetId: \"{id}\"}}) {{ deletedId }}
        b: setAssetNote(input: {{assetId: \"{id}\", note: \"kept\"}}) {{ asset {{ note }} }} }}"
    );
    let (_, answer) = world.as_bearer("key-of-writer", &both).await;
    assert_eq!(answer["data"]["a"], Value::Null);
    assert_eq!(answer["data"]["b"]["asset"]["note"], "kept", "{answer}");
    assert_eq!(error(&answer).0, "FORBIDDEN");
}

#[tokio::test]
async fn a_signed_token_grants_its_scopes() {
    let signer = Signer::new("one");
    let issuer = Issuer::start(vec![signer.jwk()]).await;
    let world = world_of(&issuer.toml()).await;
    let good = claims("anna", "openid assets:read");
    assert_eq!(world.as_bearer(&signer.sign(&good), LIST).await.0, 200);
    for (name, value) in [
        ("aud", json!(["other", "asset-gateway"])),
        ("scope", json!("assets:read")),
        ("exp", json!(1e15)),
        ("nbf", json!(seconds(-5))),
    ] {
        let mut claims = good.clone();
        claims[name] = value;
        let (status, answer) = world.as_bearer(&signer.sign(&claims), LIST).await;
        assert_eq!((status, answer.get("errors")), (200, None), "{name}");
    }
    // Scopes in the claims of other issuers, and missing scopes.
    for (name, value, may) in [
        ("scp", json!(["assets:read"]), true),
        ("permissions", json!(["assets:read"]), true),
        ("scope", json!("assets:reader xassets:read"), false),
        ("scope", json!(""), false),
    ] {
        let mut claims = claims("anna", "");
        claims[name] = value;
        let (_, answer) = world.as_bearer(&signer.sign(&claims), LIST).await;
        assert_eq!(answer.get("errors").is_none(), may, "{name}: {answer}");
    }
    assert_eq!(issuer.asked(), 1, "the keys are fetched once");
}

#[tokio::test]
async fn an_invalid_token_is_refused() {
    let signer = Signer::new("one");
    let issuer = Issuer::start(vec![signer.jwk()]).await;
    let world = world_of(&issuer.toml()).await;
    let good = claims("anna", "assets:read");
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        match value {
            Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
            value => claims[name] = value,
        }
        signer.sign(&claims)
    };
    let header = |change: fn(&mut Header)| {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("one".to_owned());
        change(&mut header);
        header
    };
    let token = signer.sign(&good);
    let parts: Vec<&str> = token.split('.').collect();
    let raw = |header: Value, signature: &str| {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        format!("{header}.{}.{signature}", parts[1])
    };
    let mut other = good.clone();
    other["sub"] = json!("admin");
    let swapped = URL_SAFE_NO_PAD.encode(other.to_string());
    // HS256 with the public key as the shared secret.
    let confused = encode(
        &Header {
            kid: Some("one".to_owned()),
            ..Header::new(Algorithm::HS256)
        },
        &good,
        &EncodingKey::from_secret(&signer.public()).expect("a secret"),
    );
    let stranger = Signer::new("one");
    let embedded = {
        let jwk = serde_json::from_value(stranger.jwk()).expect("a JWK");
        let mut header = header(|_| {});
        header.jwk = Some(jwk);
        stranger.sign_as(&header, &good)
    };
    let hostile = [
        ("expired", with("exp", json!(seconds(-2)))),
        ("no exp", with("exp", Value::Null)),
        ("exp as text", with("exp", json!("4102444800"))),
        ("negative exp", with("exp", json!(-1))),
        ("not yet", with("nbf", json!(seconds(60)))),
        ("nbf as text", with("nbf", json!("soon"))),
        ("issued in the future", with("iat", json!(seconds(600)))),
        (
            "other issuer",
            with("iss", json!("https://id.example.org/")),
        ),
        ("issuer with more", with("iss", json!(format!("{ISSUER}x")))),
        ("no issuer", with("iss", Value::Null)),
        ("other audience", with("aud", json!("another-api"))),
        ("no audience", with("aud", Value::Null)),
        ("empty audience", with("aud", json!([]))),
        ("nobody", with("sub", Value::Null)),
        ("empty subject", with("sub", json!(""))),
        ("issuers", with("iss", json!([ISSUER]))),
        ("subject as number", with("sub", json!(7))),
        ("another's key", stranger.sign(&good)),
        ("key brought along", embedded),
        (
            "key at an address",
            stranger.sign_as(
                &header(|h| h.jku = Some("https://evil.example/jwks".into())),
                &good,
            ),
        ),
        (
            "unknown kid",
            signer.sign_as(&header(|h| h.kid = Some("../one".into())), &good),
        ),
        (
            "critical",
            signer.sign_as(&header(|h| h.crit = Some(vec!["b64".into()])), &good),
        ),
        ("shared secret", confused.expect("a token")),
        ("alg none", raw(json!({"alg": "none", "kid": "one"}), "")),
        (
            "alg None",
            raw(json!({"alg": "None", "kid": "one"}), parts[2]),
        ),
        (
            "alg RS256",
            raw(json!({"alg": "RS256", "kid": "one"}), parts[2]),
        ),
        ("no alg", raw(json!({"kid": "one"}), parts[2])),
        (
            "payload swapped",
            format!("{}.{swapped}.{}", parts[0], parts[2]),
        ),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("four parts", format!("{token}.{}", parts[2])),
        ("five parts", format!("{token}.a.b")),
        ("signature cut", token[..token.len() - 4].to_owned()),
        ("letters around", format!("{token}=")),
        ("too long", format!("{token}{}", "a".repeat(20_000))),
    ];
    for (name, token) in hostile {
        let (status, answer) = world.as_bearer(&token, LIST).await;
        assert_eq!(
            (status, &*error(&answer).0),
            (401, "UNAUTHENTICATED"),
            "{name}: {answer}"
        );
        assert!(!answer.to_string().contains(parts[1]), "{name}: {answer}");
    }
    assert_eq!(world.calls(), [0, 0, 0], "nobody was asked anything");
    assert_eq!(world.as_bearer(&token, LIST).await.0, 200);
}

#[tokio::test]
async fn issuer_keys_are_refetched_after_a_rotation_and_kept_during_an_outage() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let issuer = Issuer::start(vec![]).await;
    issuer.is_down.store(true, Ordering::SeqCst);
    let world = world_of(&issuer.toml()).await;
    let sign = |signer: &Signer| signer.sign(&claims("anna", "assets:read"));
    let (status, answer) = world.as_bearer(&sign(&old), LIST).await;
    assert_eq!((status, &*error(&answer).0), (503, "UPSTREAM_UNAVAILABLE"));
    for _ in 0..20 {
        world.as_bearer(&sign(&old), LIST).await;
    }
    let tried = issuer.asked();
    assert!(
        tried < 20,
        "an issuer that is away is not asked for each token: {tried}"
    );

    let issuer = Issuer::start(vec![old.jwk()]).await;
    let world = world_of(&issuer.toml()).await;
    assert_eq!(world.as_bearer(&sign(&old), LIST).await.0, 200);
    *issuer.keys.lock().expect("not poisoned") = vec![new.jwk()];
    assert_eq!(
        world.as_bearer(&sign(&new), LIST).await.0,
        200,
        "the keys are taken anew"
    );
    assert_eq!(world.as_bearer(&sign(&old), LIST).await.0, 401, "withdrawn");
    // Tokens signed by unknown keys cost the issuer few calls, and other callers nothing.
    for number in 0..30 {
        let stranger = Signer::new(&number.to_string());
        assert_eq!(world.as_bearer(&sign(&stranger), LIST).await.0, 401);
    }
    let asked = issuer.asked();
    assert!(asked < 10, "{asked}");
    assert_eq!(world.as_bearer(&sign(&new), LIST).await.0, 200);

    // Keys that are never fresh are fetched again for each token, where the issuer answers.
    let toml = format!("{}jwks_fresh_seconds = 0\n", issuer.toml());
    let world = world_of(&toml).await;
    assert_eq!(world.as_bearer(&sign(&new), LIST).await.0, 200);
    assert_eq!(world.as_bearer(&sign(&old), LIST).await.0, 401, "withdrawn");
    issuer.is_down.store(true, Ordering::SeqCst);
    assert_eq!(
        world.as_bearer(&sign(&new), LIST).await.0,
        200,
        "kept while it is away"
    );
}

#[tokio::test]
async fn a_hanging_issuer_does_not_block_known_tokens() {
    let signer = Signer::new("one");
    let issuer = Issuer::start(vec![signer.jwk()]).await;
    // Keys are never fresh: each token triggers a fetch.
    let world = world_of(&format!("{}jwks_fresh_seconds = 0\n", issuer.toml())).await;
    let token = signer.sign(&claims("anna", "assets:read"));
    assert_eq!(world.as_bearer(&token, LIST).await.0, 200);
    issuer.hangs.store(true, Ordering::SeqCst);
    let before = issuer.asked();
    let asking = (0..20).map(|_| world.as_bearer(&token, "{ __typename }"));
    for (status, answer) in futures_util::future::join_all(asking).await {
        assert_eq!(status, 200, "{answer}");
    }
    assert_eq!(issuer.asked(), before + 1, "one call for all of them");
}

#[tokio::test]
async fn a_write_only_key_reads_no_content() {
    let hash = hash("key-of-dropbox");
    let toml = format!(
        "[access]\nmode = \"keys\"\n[[access.keys]]\nid = \"dropbox\"\nhash = \"{hash}\"\nscopes = [\"assets:write\"]\n"
    );
    let world = world_of(&toml).await;
    let id = asset_id("comfy", &world.sandbox.store.comfy()[0].id.clone());
    // Changes nothing, but its payload could expose the asset.
    let tags = |fields: &str| {
        format!(
            "mutation {{ removeAssetTags(input: {{assetIds: [\"{id}\"], tags: [\"zzz\"]}}) {{ assets {{ id tags {fields} }} errors {{ code }} }} }}"
        )
    };
    let (_, answer) = world.as_bearer("key-of-dropbox", &tags("")).await;
    let before = world.calls();
    assert_eq!(
        answer["data"]["removeAssetTags"]["assets"][0]["id"], *id,
        "{answer}"
    );
    for fields in [
        "a: url",
        "... on Asset { urlExpiresAt }",
        "thumbnailUrl",
        "raw",
        "details { __typename }",
        "children { nodes { id } }",
        "source { name assets { nodes { id } } }",
        "s: source { ... on AssetSource { a: assets { totalCount } } }",
    ] {
        let (_, answer) = world.as_bearer("key-of-dropbox", &tags(fields)).await;
        assert_eq!(error(&answer).0, "FORBIDDEN", "{fields}: {answer}");
        assert!(!answer.to_string().contains("http"), "{fields}: {answer}");
        assert_eq!(world.calls(), before, "{fields}: nothing was written");
    }
}

#[tokio::test]
async fn keys_may_come_from_a_file() {
    let signer = Signer::new("one");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), json!({ "keys": [signer.jwk()] }).to_string()).expect("written");
    let toml = format!(
        "[access]\nmode = \"jwt\"\n[access.jwt]\nissuer = \"{ISSUER}\"\naudience = [\"asset-gateway\"]\n\
         algorithms = [\"ES256\"]\njwks_file = \"{}\"\n",
        file.path().display()
    );
    let world = world_of(&toml).await;
    let token = signer.sign(&claims("anna", "assets:read"));
    assert_eq!(world.as_bearer(&token, LIST).await.0, 200);
}

#[tokio::test]
async fn each_caller_has_its_own_rate_limit() {
    let limit = "[access.rate_limit]\nrequests_per_minute = 6\nburst = 3\n";
    let world = world_of(&format!("{}{limit}", keys())).await;
    for left in ["2", "1", "0"] {
        let (status, headers, _) = world
            .with(&[("authorization", "Bearer key-of-reader")], LIST)
            .await;
        assert_eq!(status, 200);
        assert_eq!(headers["ratelimit-policy"], "\"caller\";q=3;w=30");
        assert!(
            headers["ratelimit"]
                .to_str()
                .expect("text")
                .starts_with(&format!("\"caller\";r={left};t="))
        );
    }
    let before = world.calls();
    let (status, headers, answer) = world
        .with(&[("authorization", "Bearer key-of-reader")], LIST)
        .await;
    assert_eq!((status, &*error(&answer).0), (429, "RATE_LIMITED"));
    let wait = &answer["errors"][0]["extensions"]["retryAfterSeconds"];
    assert_eq!(
        headers["retry-after"].to_str().expect("text"),
        wait.to_string()
    );
    assert!(
        wait.as_u64().is_some_and(|wait| (1..=10).contains(&wait)),
        "{wait}"
    );
    assert_eq!(world.calls(), before);
    // Each key has its own limit; invalid keys count by address.
    assert_eq!(world.as_bearer("key-of-writer", LIST).await.0, 200);
    for status in [401, 401, 401, 429] {
        assert_eq!(world.as_bearer("guess", LIST).await.0, status);
    }
    assert_eq!(world.as_bearer("key-of-writer", LIST).await.0, 200);
    // Each operation of a batch counts.
    let batch = json!([{ "query": "{__typename}" }, { "query": "{__typename}" }]).to_string();
    let sent = world
        .client
        .post(world.url("/graphql"))
        .bearer_auth("key-of-writer");
    let sent = sent
        .header("content-type", "application/json")
        .body(batch)
        .send();
    assert_eq!(sent.await.expect("an answer").status(), 429);
}

#[tokio::test]
async fn forwarded_addresses_count_from_trusted_proxies_only() {
    let limit = "[access.rate_limit]\nrequests_per_minute = 1\nburst = 1\n";
    let ask = async |world: &TestGateway, forwarded: &str| {
        world
            .with(&[("x-forwarded-for", forwarded)], "{__typename}")
            .await
            .0
    };
    let world = world_of(&format!("[access]\n{limit}")).await;
    assert_eq!(ask(&world, "192.0.2.1").await, 200);
    assert_eq!(
        ask(&world, "192.0.2.2").await,
        429,
        "anybody can write that"
    );
    let proxies = "[access]\ntrusted_proxies = [\"127.0.0.1\", \"10.0.0.0/8\"]\n";
    let world = world_of(&format!("{proxies}{limit}")).await;
    assert_eq!(ask(&world, "192.0.2.1").await, 200);
    assert_eq!(ask(&world, "192.0.2.2").await, 200);
    assert_eq!(
        ask(&world, "198.51.100.9, 192.0.2.1").await,
        429,
        "what stands before is hearsay"
    );
    assert_eq!(
        ask(&world, "192.0.2.1, 10.1.2.3").await,
        429,
        "past our own proxies"
    );
    assert_eq!(ask(&world, "192.0.2.3:4711").await, 200);
    assert_eq!(ask(&world, "nonsense").await, 200, "the proxy itself");
    assert_eq!(ask(&world, "192.0.2.1, nonsense").await, 429);
}

async fn refusal(toml: &str) -> String {
    let sandbox = Sandbox::start(asset_gateway::sandbox::Options::default())
        .await
        .expect("it starts");
    configured(&sandbox, toml).expect_err("refused")
}

#[tokio::test]
async fn insecure_access_settings_are_refused() {
    let key = format!(
        "[[access.keys]]\nid = \"a\"\nhash = \"{}\"\nscopes = []\n",
        hash("x")
    );
    for (toml, word) in [
        (format!("[access]\nmode = \"open\"\n{key}"), "goes with `mode = \"keys\"`"),
        (key.clone(), "goes with `mode = \"keys\"`"),
        ("[access]\nmode = \"keys\"\n".to_owned(), "asset-gateway key"),
        ("[access]\nmode = \"jwt\"\n".to_owned(), "[access.jwt]"),
        (format!("[access]\nmode = \"keys\"\n{key}{key}"), "of another"),
        ("[access]\nmode = \"keys\"\n[[access.keys]]\nid = \"a\"\nhash = \"agw_secret\"\nscopes = []\n".to_owned(), "the hash, not the key"),
        ("[access]\nmode = \"keys\"\n[[access.keys]]\nid = \"a\"\nhash = \"x\"\nscopes = [\"admin\"]\n".to_owned(), "assets:read"),
        ("[access]\ncors_origins = [\"*\"]\n".to_owned(), "every page there is"),
        ("[access]\ncors_origins = [\"https://a.example/path\"]\n".to_owned(), "must be an origin"),
        ("[access]\nallowed_hosts = [\"*.example.com\"]\n".to_owned(), "must be a host"),
        ("[access]\ntrusted_proxies = [\"proxy\"]\n".to_owned(), "an address or a network"),
        ("[access]\nmode = \"jwt\"\n[access.jwt]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"HS256\"]\njwks_file = \"x\"\n".to_owned(), "RS256"),
        ("[access]\nmode = \"jwt\"\n[access.jwt]\nissuer = \"i\"\naudience = \"a\"\nalgorithms = [\"RS256\"]\njwks_url = \"http://id.example.com/\"\n".to_owned(), "https"),
        ("[access.rate_limit]\nrequests_per_minute = 0\n".to_owned(), "1 or more"),
        ("[sources.piktid]\npassthrough = true\n".to_owned(), "PIKTID_TOKEN"),
    ] {
        let message = refusal(&toml).await;
        assert!(message.contains(word), "{message}");
        assert!(!message.contains("agw_secret"), "{message}");
    }
}

/// Loads a configuration and checks its exposure; the error is the refusal to start.
fn starts(toml: &str, variables: &'static [(&'static str, &'static str)]) -> Result<(), String> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), toml).expect("written");
    let environment = variables.iter().copied().collect();
    Config::load(Some(file.path().to_owned()), &environment)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[test]
fn it_refuses_to_expose_its_own_credentials_to_a_network() {
    const TOKEN: &[(&str, &str)] = &[("PIKTID_TOKEN", "t")];
    for listen in ["0.0.0.0:1", "192.0.2.1:1", "[::]:1", "[2001:db8::1]:1"] {
        let listen = format!("listen = \"{listen}\"\n");
        let refused = starts(&listen, TOKEN).expect_err("refused");
        assert!(
            refused.contains("piktid") && refused.contains("mode = \"keys\""),
            "{refused}"
        );
        // Allowed: no credential to expose, or callers that must authenticate.
        assert_eq!(starts(&listen, &[]), Ok(()), "the sandbox");
        assert_eq!(starts(&format!("{listen}{}", keys()), TOKEN), Ok(()));
        let passthrough_toml = format!("{listen}[sources.piktid]\npassthrough = true\n");
        assert_eq!(starts(&passthrough_toml, &[]), Ok(()));
        let both = format!("{passthrough_toml}[sources.comfy]\napi_key = \"k\"\n");
        assert!(
            starts(&both, &[]).is_err(),
            "one of two is the gateway's own"
        );
    }
    for listen in ["127.0.0.1:1", "127.1.2.3:1", "[::1]:1"] {
        assert_eq!(starts(&format!("listen = \"{listen}\"\n"), TOKEN), Ok(()));
    }
}
