//! Files load without a credential and without an internal address; invalid addresses do not.

use std::time::Duration;

use asset_gateway::{
    asset::{AssetId, Rendition, SourceName},
    sandbox::{Dialect, Options},
};
use serde_json::Value;

use crate::harness::{TestGateway, texts, world, world_with};

/// Ids, kinds and addresses of every asset of a provider.
async fn media(world: &TestGateway, provider: &str) -> Vec<Value> {
    let mut assets = Vec::new();
    let mut after = String::new();
    loop {
        let data = world
            .data(&format!(
                "{{ assets(first: 100, filter: {{ providers: [{provider}] }}{after}) {{
                    nodes {{ upstreamId kind mimeType url thumbnailUrl large: thumbnailUrl(size: LARGE) }} pageInfo {{ hasNextPage endCursor }} }} }}"
            ))
            .await;
        assets.extend(
            data["assets"]["nodes"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
        );
        let info = &data["assets"]["pageInfo"];
        if info["hasNextPage"] != true {
            return assets;
        }
        after = format!(", after: {}", info["endCursor"]);
    }
}

#[tokio::test]
async fn every_picture_of_the_sandbox_loads_by_its_address_alone() {
    let world = world().await;
    for provider in ["SCENARIO", "PIKTID", "COMFY"] {
        for asset in media(&world, provider).await {
            let url = asset["url"].as_str().unwrap_or_else(|| panic!("{asset}"));
            let is_picture = asset["kind"] == "IMAGE";
            for (address, must_show) in [
                (Some(url), is_picture),
                (asset["thumbnailUrl"].as_str(), true),
                (asset["large"].as_str(), true),
            ] {
                let Some(address) = address else { continue };
                let response = world.get(address).await;
                assert_eq!(response.status(), 200, "{asset}");
                let content_type = response.headers()["content-type"]
                    .to_str()
                    .unwrap_or_default()
                    .to_owned();
                let bytes = response.bytes().await.expect("a body");
                assert!(!bytes.is_empty());
                if must_show {
                    assert!(content_type.starts_with("image/"), "{content_type} {asset}");
                    assert!(image::load_from_memory(&bytes).is_ok(), "{asset}");
                }
            }
            assert!(
                !is_picture || provider == "PIKTID" || asset["thumbnailUrl"].is_string(),
                "{asset}"
            );
        }
    }
}

async fn a_comfy_picture(world: &TestGateway) -> String {
    let data = world
        .data("{ assets(first: 50, filter: { providers: [COMFY] }) { nodes { kind url } } }")
        .await;
    data["assets"]["nodes"]
        .as_array()
        .and_then(|nodes| nodes.iter().find(|a| a["kind"] == "IMAGE"))
        .and_then(|asset| asset["url"].as_str())
        .expect("a picture")
        .to_owned()
}

#[tokio::test]
async fn comfys_files_come_through_the_gateway_without_the_servers_address() {
    let world = world().await;
    let url = a_comfy_picture(&world).await;
    assert!(url.starts_with(&world.url("/media/")), "{url}");
    let response = world.get(&url).await;
    let headers = response.headers().clone();
    let shown = format!("{headers:?}");
    assert!(
        !shown.contains(&world.sandbox.comfy.address.to_string()),
        "{shown}"
    );
    assert!(
        !shown.contains(&world.sandbox.credentials.comfy_key),
        "{shown}"
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(
        headers["cache-control"]
            .to_str()
            .unwrap_or_default()
            .starts_with("private, max-age=")
    );
    assert_eq!(headers["accept-ranges"], "bytes");
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap_or_default()
            .contains("sandbox")
    );
    assert!(
        headers["content-disposition"]
            .to_str()
            .unwrap_or_default()
            .starts_with("inline")
    );
    assert!(headers.contains_key("content-length"));
}

#[tokio::test]
async fn a_download_keeps_its_name_with_the_ending_of_what_is_sent() {
    let world = world().await;
    {
        let mut comfy = world.sandbox.store.comfy();
        for asset in comfy.iter_mut() {
            asset.name = "größe 狐.wav".to_owned();
        }
    }
    let data = world
        .data("{ comfyAssets(first: 50) { nodes { kind url thumbnailUrl } } }")
        .await;
    let nodes = data["comfyAssets"]["nodes"].as_array().expect("nodes");
    let with_thumbnail = nodes.iter().find(|asset| asset["thumbnailUrl"].is_string());
    let asset = with_thumbnail.expect("a thumbnail");
    for (field, is_original) in [("url", true), ("thumbnailUrl", false)] {
        let response = world.get(asset[field].as_str().expect("a URL")).await;
        let value = |name: &str| {
            let value = response.headers()[name].to_str().expect("ASCII");
            value.to_owned()
        };
        let ending = match (is_original, &*value("content-type")) {
            (true, _) => "wav",
            (false, "image/png") => "png",
            (false, "image/webp") => "webp",
            (false, _) => "jpg",
        };
        assert_eq!(
            value("content-disposition"),
            format!(
                "inline; filename=\"gr__e _.{ending}\"; \
                 filename*=UTF-8''gr%C3%B6%C3%9Fe%20%E7%8B%90.{ending}"
            )
        );
    }
}

#[tokio::test]
async fn ranges_work_without_support_by_the_source() {
    let world = world().await;
    let url = a_comfy_picture(&world).await;
    let whole = world.get(&url).await.bytes().await.expect("a body");
    let ranged = |range: &'static str| world.client.get(&url).header("range", range).send();
    let part = ranged("bytes=10-19").await.expect("an answer");
    assert_eq!(part.status(), 206);
    assert_eq!(
        part.headers()["content-range"],
        format!("bytes 10-19/{}", whole.len()).as_str()
    );
    assert_eq!(part.bytes().await.expect("a body"), whole[10..20]);
    let tail = ranged("bytes=-5").await.expect("an answer");
    assert_eq!(
        tail.bytes().await.expect("a body"),
        whole[whole.len() - 5..]
    );
    let past = ranged("bytes=99999999-").await.expect("an answer");
    assert_eq!(past.status(), 416);
    let odd = ranged("bytes=5-1").await.expect("an answer");
    assert_eq!(odd.status(), 200, "nonsense is ignored");
}

#[tokio::test]
async fn if_none_match_gets_304_without_a_call() {
    let world = world().await;
    let hashed = world.data("{ assets(first: 100, filter: { providers: [COMFY] }) { nodes { kind contentHash url } } }").await;
    let url = hashed["assets"]["nodes"]
        .as_array()
        .and_then(|nodes| {
            nodes
                .iter()
                .find(|a| a["kind"] == "IMAGE" && a["contentHash"].is_string())
        })
        .and_then(|a| a["url"].as_str())
        .expect("a hashed picture")
        .to_owned();
    let response = world.get(&url).await;
    let tag = response.headers()["etag"].clone();
    world.forget_calls();
    let again = world
        .client
        .get(&url)
        .header("if-none-match", tag)
        .send()
        .await
        .expect("an answer");
    assert_eq!(again.status(), 304);
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn head_returns_headers_without_a_body() {
    let world = world().await;
    let url = a_comfy_picture(&world).await;
    let response = world.client.head(&url).send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "image/png");
}

#[tokio::test]
async fn forged_and_altered_tokens_are_refused() {
    let world = world().await;
    let url = a_comfy_picture(&world).await;
    let (base, token) = url.rsplit_once('/').expect("a path");
    let mut changed: Vec<char> = token.chars().collect();
    for at in 0..changed.len() {
        let original = changed[at];
        changed[at] = if original == 'A' { 'B' } else { 'A' };
        let text: String = changed.iter().collect();
        let response = world.get(&format!("{base}/{text}")).await;
        assert!(
            [404, 410].contains(&response.status().as_u16()),
            "letter {at}"
        );
        changed[at] = original;
    }
    for made_up in [
        "",
        "x",
        "AAAA",
        "http:%2F%2F10.0.0.1%2F",
        "..%2F..%2Fetc%2Fpasswd",
    ] {
        let response = world.get(&format!("{base}/{made_up}")).await;
        assert_eq!(response.status(), 404, "{made_up}");
    }
}

#[tokio::test]
async fn a_media_address_expires() {
    let key = [7; 32];
    let urls = asset_gateway::media::MediaUrls::new(key, &"http://g".parse().expect("an address"));
    let id = AssetId {
        source: SourceName::parse("comfy").expect("a name"),
        upstream: "1".into(),
    };
    let world = world().await;
    let registry =
        asset_gateway::providers::connect(crate::harness::config(&world.sandbox).sources, &key)
            .expect("sources");
    let scope = registry
        .named(&id.source)
        .map(|s| s.profile().scope)
        .expect("a source");
    let now: jiff::Timestamp = "2026-11-20T12:30:00Z".parse().expect("a time");
    let (url, end) = urls.url(&id, Rendition::Small, &scope, now);
    let token = url.rsplit('/').next().unwrap_or_default();
    let open = |at| urls.open(token, |_| Some(scope), at);
    assert_eq!(
        open(now).map(|grant| (grant.id, grant.rendition)),
        Ok((id.clone(), Rendition::Small))
    );
    assert!(open(end).is_err());
    let other_registry =
        asset_gateway::providers::connect(crate::harness::config(&world.sandbox).sources, &[8; 32])
            .expect("sources");
    let foreign = other_registry
        .named(&id.source)
        .map(|s| s.profile().scope)
        .expect("a source");
    assert!(
        urls.open(token, |_| Some(foreign), now).is_err(),
        "another credential's"
    );
}

#[tokio::test]
async fn active_content_is_a_download() {
    let world = world().await;
    let id = {
        let mut store = world.sandbox.store.comfy();
        let asset = &mut store[3];
        asset.name = "evil\"\r\nx.html".to_owned();
        asset.mime_type = Some("text/html".to_owned());
        asset.file.uploaded = Some((
            "text/html".to_owned(),
            b"<script>alert(1)</script>".to_vec(),
        ));
        asset.id.clone()
    };
    let data = world
        .data(&format!(
            "{{ asset(id: \"{}\") {{ url }} }}",
            crate::harness::asset_id("comfy", &id)
        ))
        .await;
    let response = world
        .get(data["asset"]["url"].as_str().unwrap_or_default())
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["content-type"],
        "application/octet-stream"
    );
    assert!(
        response.headers()["content-disposition"]
            .to_str()
            .unwrap_or_default()
            .starts_with("attachment")
    );
}

#[tokio::test]
async fn an_svg_is_an_image_within_a_page_and_a_download_by_itself() {
    let world = world().await;
    let id = {
        let mut store = world.sandbox.store.comfy();
        let asset = &mut store[3];
        asset.mime_type = Some("image/svg+xml".to_owned());
        let drawing = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
        asset.file.uploaded = Some(("image/svg+xml".to_owned(), drawing.to_vec()));
        asset.id.clone()
    };
    let id = crate::harness::asset_id("comfy", &id);
    let query = format!("{{ asset(id: \"{id}\") {{ url thumbnailUrl }} }}");
    let data = world.data(&query).await;
    for field in ["url", "thumbnailUrl"] {
        let url = data["asset"][field].as_str().unwrap_or_default();
        let response = world.get(url).await;
        let headers = response.headers();
        assert_eq!(headers["content-type"], "image/svg+xml", "{field}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        let policy = headers["content-security-policy"]
            .to_str()
            .unwrap_or_default();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("sandbox"),
            "{policy}"
        );
        let disposition = headers["content-disposition"].to_str().unwrap_or_default();
        assert!(disposition.starts_with("attachment"), "{disposition}");
    }
}

#[tokio::test]
async fn signed_storage_is_a_redirect_without_the_key() {
    let world = world_with(
        Options {
            dialect: Dialect::Newest,
            ..Options::default()
        },
        |_| {},
    )
    .await;
    let url = a_comfy_picture(&world).await;
    let response = world.get(&url).await;
    assert_eq!(response.status(), 302);
    assert_eq!(response.headers()["cache-control"], "no-store");
    let target = response.headers()["location"]
        .to_str()
        .unwrap_or_default()
        .to_owned();
    assert!(!target.contains(&world.sandbox.credentials.comfy_key));
    let picture = world.get(&target).await;
    assert_eq!(picture.status(), 200);
    assert!(image::load_from_memory(&picture.bytes().await.expect("a body")).is_ok());
}

#[tokio::test]
async fn a_source_cannot_redirect_a_browser_to_internal_addresses() {
    use axum::{Router, http::StatusCode, routing::get};
    let asset = include_str!("../corpus/fuzz/comfy/one");
    let id = serde_json::from_str::<Value>(asset).expect("JSON")["id"].clone();
    let id = crate::harness::asset_id("comfy", id.as_str().expect("an id"));
    for (target, status) in [
        ("http://169.254.169.254/latest/meta-data/", 502),
        ("https://10.0.0.1/file", 502),
        ("http://storage.example.org/file", 502),
        ("https://storage.example.org/file?signature=x", 302),
    ] {
        let away = get(move || async move { (StatusCode::FOUND, [("location", target)]) });
        let router = Router::new()
            .route("/api/assets/{id}", get(move || async move { asset }))
            .route("/api/assets/{id}/content", away);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let comfy = format!("http://{address}");
        let environment = [("COMFY_URL", comfy)].into_iter().collect();
        let config = asset_gateway::config::Config::load(None, &environment).expect("it holds");
        let (gateway, task) = crate::harness::gateway(config).await;
        let query = format!("{{ asset(id: \"{id}\") {{ url }} }}");
        let answer = crate::harness::ask_at(gateway, &query).await;
        let url = answer["data"]["asset"]["url"].as_str().expect("an address");
        let response = crate::harness::client()
            .get(url)
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), status, "{target}");
        let is_redirect = response.headers().get("location").is_some();
        assert_eq!(is_redirect, status == 302, "{target}");
        task.abort();
    }
}

#[tokio::test]
async fn selecting_addresses_costs_no_call() {
    let world = world().await;
    world.data("{ assets(first: 50) { nodes { url urlExpiresAt thumbnailUrl large: thumbnailUrl(size: LARGE) } } }").await;
    assert_eq!(world.calls().iter().sum::<usize>(), 3);
}

#[tokio::test]
async fn with_a_secret_addresses_survive_a_restart() {
    let secret = || asset_gateway::config::Secret::new("one secret for all instances".to_owned());
    let world = world_with(Options::default(), |config| {
        config.media_secret = Some(secret());
    })
    .await;
    let url = a_comfy_picture(&world).await;
    let token = url.rsplit('/').next().unwrap_or_default();
    let mut config = crate::harness::config(&world.sandbox);
    config.media_secret = Some(secret());
    let (address, task) = crate::harness::gateway(config).await;
    assert_eq!(
        world
            .get(&format!("http://{address}/media/{token}"))
            .await
            .status(),
        200
    );
    task.abort();
    let (address, task) = crate::harness::gateway(crate::harness::config(&world.sandbox)).await;
    assert_eq!(
        world
            .get(&format!("http://{address}/media/{token}"))
            .await
            .status(),
        404,
        "without it, not"
    );
    task.abort();
}

#[tokio::test]
async fn a_hanging_source_ends_a_download_with_504() {
    let world = world_with(Options::default(), |config| {
        config.limits.query_deadline = Duration::from_millis(300);
    })
    .await;
    let url = a_comfy_picture(&world).await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    world.sandbox.comfy.faults.add(
        "GET /api/assets/",
        asset_gateway::sandbox::Fault::Hold(gate.clone()),
    );
    let response = world.get(&url).await;
    assert_eq!(response.status(), 504);
    gate.add_permits(1);
    let names = texts(
        &world.data("{ assetSources { name } }").await["assetSources"],
        "/name",
    );
    assert_eq!(names.len(), 3);
}

#[tokio::test]
async fn clients_that_do_not_read_block_no_list() {
    let world = world().await;
    let id = {
        let mut store = world.sandbox.store.comfy();
        let asset = &mut store[3];
        asset.file.uploaded = Some(("image/png".to_owned(), vec![0; 32 * 1024 * 1024]));
        asset.id.clone()
    };
    let data = world
        .data(&format!(
            "{{ asset(id: \"{}\") {{ url }} }}",
            crate::harness::asset_id("comfy", &id)
        ))
        .await;
    let url = data["asset"]["url"].as_str().unwrap_or_default().to_owned();
    // More responses than calls that may be in progress; the client reads no body.
    let mut idle = Vec::new();
    for _ in 0..20 {
        let response = world.get(&url).await;
        assert_eq!(response.status(), 200);
        idle.push(response);
    }
    let data = world
        .data("{ assets(first: 7, filter: { sources: [\"comfy\"] }) { nodes { id } } }")
        .await;
    assert_eq!(data["assets"]["nodes"].as_array().map(Vec::len), Some(7));
    drop(idle);
}

#[tokio::test]
async fn a_large_picture_is_not_used_as_a_thumbnail() {
    let world = world().await;
    let large = 2 * 1024 * 1024 + 1;
    let ids: Vec<String> = {
        let mut store = world.sandbox.store.comfy();
        let pictures = store.iter_mut().filter(|asset| {
            let kind = asset.mime_type.as_deref().unwrap_or_default();
            kind.starts_with("image/") && asset.preview_id.is_none()
        });
        let sizes = [Some(large), Some(80 << 20), None, Some(large - 1)];
        let sized = pictures.zip(sizes.iter().cycle()).take(8);
        sized
            .enumerate()
            .map(|(number, (asset, size))| {
                asset.size = *size;
                // With and without a preview address, which serves the file itself.
                asset.has_preview = number < 4;
                crate::harness::asset_id("comfy", &asset.id)
            })
            .collect()
    };
    let query = format!(
        "{{ nodes(ids: {}) {{ ... on Asset {{ url thumbnailUrl large: thumbnailUrl(size: LARGE) }} }} }}",
        serde_json::json!(ids)
    );
    let data = world.data(&query).await;
    let shown = data["nodes"].as_array().expect("assets");
    assert_eq!(shown.len(), 8);
    for (number, asset) in shown.iter().enumerate() {
        let is_small = number % 4 == 3;
        assert_eq!(
            asset["thumbnailUrl"].is_string(),
            is_small,
            "{number}: {asset}"
        );
        assert_eq!(asset["large"].is_string(), is_small, "{number}: {asset}");
        assert!(asset["url"].is_string());
    }
}
