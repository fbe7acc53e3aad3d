//! The headers for caches between the gateway and a browser, and their conditional requests.

use std::{io::Read, time::Duration};

use asset_gateway::sandbox::{Fault, Options};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::harness::{TestGateway, asset_id, world, world_with};

async fn get(world: &TestGateway, query: &str, headers: &[(&str, &str)]) -> Response {
    let mut url = reqwest::Url::parse(&world.url("/graphql")).expect("an address");
    url.query_pairs_mut().append_pair("query", query);
    let mut request = world.client.request(Method::GET, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

fn header(response: &Response, name: &str) -> String {
    let values = response.headers().get_all(name).iter();
    let values: Vec<_> = values
        .map(|value| value.to_str().unwrap_or_default())
        .collect();
    values.join(", ")
}

/// The value of `cache-control`; `None` for `no-store`.
fn cache_control(response: &Response) -> Option<String> {
    Some(header(response, "cache-control")).filter(|value| value != "no-store")
}

const LIST: &str = "{ assets(first: 3) { nodes { id name note } } }";

#[tokio::test]
async fn a_browser_shows_its_own_write() {
    let world = world().await;
    let control = async |query: &str| cache_control(&get(&world, query, &[]).await);
    // Read with a credential. A browser revalidates it before it shows it again.
    let private = Some("private, no-cache".to_owned());
    assert_eq!(
        control("{ comfyAssets(first: 1) { nodes { id } } }").await,
        private
    );
    assert_eq!(control(LIST).await, private);
    // An answer from the configuration alone is public.
    assert_eq!(
        control("{ assetSources { name } }").await,
        Some("public, max-age=60".to_owned())
    );
}

#[tokio::test]
async fn partial_stale_and_failed_answers_are_no_store() {
    let world = world_with(Options::default(), |config| {
        config.cache.freshness.page_fresh = Duration::from_nanos(1);
    })
    .await;
    assert_eq!(
        cache_control(&get(&world, "{ assetSources { health { status } } }", &[]).await),
        None
    );
    assert_eq!(
        cache_control(&get(&world, "{ asset(id: \"no id\") { id } }", &[]).await),
        None
    );
    assert_eq!(cache_control(&get(&world, "{ nope }", &[]).await), None);
    // Stale by the second request, and served while the gateway refreshes it.
    let comfy = "{ comfyAssets(first: 1) { nodes { id } } }";
    get(&world, comfy, &[]).await;
    assert_eq!(cache_control(&get(&world, comfy, &[]).await), None);
    world.sandbox.scenario.faults.add("GET", Fault::Reset);
    assert_eq!(cache_control(&get(&world, LIST, &[]).await), None);
    let note =
        "mutation { setAssetNote(input: { assetId: \"x\", note: \"y\" }) { errors { code } } }";
    assert_eq!(
        cache_control(&world.post(&json!({ "query": note }).to_string()).await),
        None
    );
}

#[tokio::test]
async fn if_none_match_gets_304_until_the_answer_changes() {
    let world = world().await;
    let first = get(&world, LIST, &[]).await;
    let tag = header(&first, "etag");
    assert!(tag.starts_with("W/\""), "{tag}");
    assert!(header(&first, "vary").contains("authorization"));
    let answer: Value = serde_json::from_str(&first.text().await.expect("a body")).expect("JSON");
    for condition in [tag.clone(), "*".to_owned(), format!("\"other\", {tag}")] {
        let same = get(&world, LIST, &[("if-none-match", &condition)]).await;
        assert_eq!(same.status(), 304, "{condition}");
        assert_eq!(header(&same, "etag"), tag);
        assert!(cache_control(&same).is_some());
        assert!(header(&same, "vary").contains("accept"));
        assert_eq!(same.text().await.expect("nothing"), "");
    }
    let changed = asset_id("comfy", &world.sandbox.store.comfy()[0].id.clone());
    let shown = answer["data"]["assets"]["nodes"][0]["id"]
        .as_str()
        .unwrap_or(&changed);
    let note = format!(
        "mutation {{ setAssetNote(input: {{ assetId: \"{shown}\", note: \"new here\" }}) {{ errors {{ code }} }} }}"
    );
    world.data(&note).await;
    let updated = get(&world, LIST, &[("if-none-match", &tag)]).await;
    assert_eq!(updated.status(), 200);
    assert_ne!(header(&updated, "etag"), tag);
}

#[tokio::test]
async fn persisted_operations_have_etags_over_post() {
    let world = world().await;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, LIST.as_bytes());
    let hash: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let named = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } });
    let mut whole = named.clone();
    whole["query"] = LIST.into();
    let registered = world.post(&whole.to_string()).await;
    assert!(cache_control(&registered).is_some());
    assert_eq!(header(&registered, "etag"), "", "its document came with it");
    let by_name = world.post(&named.to_string()).await;
    let tag = header(&by_name, "etag");
    let again = world
        .client
        .post(world.url("/graphql"))
        .header("content-type", "application/json")
        .header("if-none-match", &tag)
        .body(named.to_string());
    assert_eq!(again.send().await.expect("an answer").status(), 304);
}

#[tokio::test]
async fn answers_are_compressed_as_accept_encoding_says() {
    let world = world().await;
    let query = "{ assets(first: 50) { nodes { id name tags source { name } } } }";
    // The gateway compresses large answers on a blocking thread.
    let large = "{ assets(first: 100) { nodes { id a: raw b: raw c: raw } } }";
    for (query, least) in [(query, 0), (large, 128 * 1_024)] {
        let plain = get(&world, query, &[]).await;
        assert_eq!(header(&plain, "content-encoding"), "");
        let tag = header(&plain, "etag");
        let plain = plain.bytes().await.expect("a body");
        assert!(plain.len() > least, "{}", plain.len());
        for encoding in ["gzip", "br"] {
            let small = get(&world, query, &[("accept-encoding", encoding)]).await;
            assert_eq!(header(&small, "content-encoding"), encoding);
            assert!(header(&small, "vary").contains("accept-encoding"));
            assert_eq!(header(&small, "etag"), tag);
            let bytes = small.bytes().await.expect("a body");
            assert!(bytes.len() < plain.len() / 2, "{encoding}: {}", bytes.len());
            if encoding == "gzip" {
                let mut read = Vec::new();
                flate2::read::GzDecoder::new(&*bytes)
                    .read_to_end(&mut read)
                    .expect("gzip");
                assert_eq!(read, plain);
            }
        }
    }
    let tiny = get(&world, "{ __typename }", &[("accept-encoding", "gzip, br")]).await;
    assert_eq!(header(&tiny, "content-encoding"), "");
    let refused = get(&world, query, &[("accept-encoding", "gzip;q=0, br;q=0")]).await;
    assert_eq!(header(&refused, "content-encoding"), "");
}
