//! The gateway serves GraphiQL from its own origin, and the page loads nothing from elsewhere.

use crate::harness::world;

#[tokio::test]
async fn the_page_and_its_files_come_from_the_gateway() {
    if !asset_gateway::explorer::is_bundled() {
        // Without npm, the page says how to install it.
        let world = world().await;
        let page = world
            .get(&world.url("/"))
            .await
            .text()
            .await
            .unwrap_or_default();
        assert!(page.contains("install Node.js with npm"));
        return;
    }
    let world = world().await;
    let page = world.get(&world.url("/")).await;
    assert_eq!(page.status(), 200);
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap_or_default()
        .to_owned();
    for part in [
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert_eq!(page.headers()["x-content-type-options"], "nosniff");
    assert_eq!(page.headers().get("content-encoding"), None);
    let html = page.text().await.expect("a body");
    for (accepted, is_small) in [("br, GZIP;q=0.5", true), ("gzip;q=0, br", false)] {
        let page = world.client.get(world.url("/"));
        let page = page.header("accept-encoding", accepted).send().await;
        let page = page.expect("an answer");
        assert_eq!(
            page.headers().contains_key("content-encoding"),
            is_small,
            "{accepted}"
        );
        let bytes = page.bytes().await.expect("a body");
        if is_small {
            let mut read = String::new();
            let mut decoder = flate2::read::GzDecoder::new(&bytes[..]);
            std::io::Read::read_to_string(&mut decoder, &mut read).expect("gzip");
            assert_eq!(read, html);
        }
    }
    let paths: Vec<&str> = html
        .split(['"', '\''])
        .filter(|part| part.starts_with("/explorer/"))
        .collect();
    assert!(paths.len() >= 3, "{html}");
    for path in paths {
        let file = world.get(&world.url(path)).await;
        assert_eq!(file.status(), 200, "{path}");
        let text = file.text().await.unwrap_or_default();
        for host in ["esm.sh", "unpkg.com", "jsdelivr.net"] {
            assert!(!text.contains(host), "{path} names {host}");
        }
    }
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
}

#[tokio::test]
async fn browsers_get_the_page_and_clients_get_the_graph() {
    let world = world().await;
    let browser = world
        .client
        .get(world.url("/graphql"))
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        browser.headers()["content-type"],
        "text/html; charset=utf-8"
    );
    let client = world
        .client
        .get(world.url("/graphql?query=%7B__typename%7D"))
        .header("accept", "application/json")
        .send()
        .await
        .expect("an answer");
    assert_eq!(
        client.headers()["content-type"],
        "application/json; charset=utf-8"
    );
}

#[tokio::test]
async fn the_explorer_can_be_disabled() {
    let world = crate::harness::world_with(asset_gateway::sandbox::Options::default(), |config| {
        config.explorer = false;
    })
    .await;
    assert_eq!(world.get(&world.url("/")).await.status(), 404);
}
