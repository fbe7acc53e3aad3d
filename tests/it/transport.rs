//! HTTP and WebSocket as the specifications require.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Socket, TestGateway, open_socket, texts, world, world_of};

async fn body(response: reqwest::Response) -> Value {
    let text = response.text().await.unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_default()
}

#[tokio::test]
async fn the_answers_media_type_follows_accept() {
    let world = world().await;
    for (accept, media_type, status) in [
        ("application/json", "application/json; charset=utf-8", 200),
        (
            "application/graphql-response+json",
            "application/graphql-response+json; charset=utf-8",
            400,
        ),
    ] {
        for query in [
            "{",
            "{ nope }",
            "query A { assetSources { name } } query B { assetSources { name } }",
        ] {
            let response = world
                .client
                .post(world.url("/graphql"))
                .header("content-type", "application/json")
                .header("accept", accept)
                .body(json!({ "query": query }).to_string())
                .send()
                .await
                .expect("an answer");
            assert_eq!(response.status(), status, "{query}");
            assert_eq!(response.headers()["content-type"], media_type);
            let answer = body(response).await;
            assert_eq!(answer.get("data"), None, "nothing was executed: {answer}");
            assert!(
                ["GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"].contains(&code(&answer)),
                "{answer}"
            );
        }
    }
    let response = world
        .client
        .get(world.url("/graphql?query=%7BassetSources%7Bname%7D%7D"))
        .header("accept", "image/png")
        .send()
        .await
        .expect("an answer");
    assert_eq!(response.status(), 406);
}

#[tokio::test]
async fn get_is_for_queries() {
    let world = world().await;
    let url = world.url("/graphql?query=query%20A%7BassetSources%7Bname%7D%7D%20query%20B(%24n%3AString!)%7BassetSource(name%3A%24n)%7Bname%7D%7D&operationName=B&variables=%7B%22n%22%3A%22comfy%22%7D");
    let answer = body(world.get(&url).await).await;
    assert_eq!(answer["data"]["assetSource"]["name"], "comfy");
    let response = world
        .get(&world.url(
            "/graphql?query=mutation%7BdeleteAsset(input%3A%7BassetId%3A%22x%22%7D)%7BdeletedId%7D%7D",
        ))
        .await;
    assert_eq!(response.status(), 405);
    assert_eq!(response.headers()["allow"], "GET, POST");
    let response = world
        .get(&world.url("/graphql?query=%7BassetSources%7Bname%7D%7D&variables=7"))
        .await;
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn every_refusal_is_a_graphql_error_with_the_requests_id() {
    let world = world().await;
    let post = |content_type: Option<&'static str>, body: &'static str| {
        let request = world.client.post(world.url("/graphql")).body(body);
        match content_type {
            Some(content_type) => request.header("content-type", content_type),
            None => request,
        }
        .send()
    };
    let json_type = Some("application/json");
    for (request, status) in [
        (post(None, "{\"query\":\"{__typename}\"}"), 415),
        (
            post(Some("text/plain"), "{\"query\":\"{__typename}\"}"),
            415,
        ),
        (
            post(
                Some("application/x-www-form-urlencoded"),
                "query={__typename}",
            ),
            415,
        ),
        (post(Some("application/json; charset=utf-16"), "{}"), 415),
        (post(json_type, ""), 400),
        (post(json_type, "{\"query\": "), 400),
        (post(json_type, "[]"), 400),
        (post(json_type, "{}"), 400),
        (post(json_type, "{\"query\": 7}"), 400),
        (
            post(
                json_type,
                "{\"query\": \"{__typename}\", \"variables\": [1]}",
            ),
            400,
        ),
        (
            post(
                json_type,
                "{\"query\": \"{__typename}\", \"operationName\": {}}",
            ),
            400,
        ),
        (post(json_type, "{\"query\": \"{__typename}\"} more"), 400),
    ] {
        let response = request.await.expect("an answer");
        assert_eq!(response.status(), status);
        let id = response.headers()["x-request-id"]
            .to_str()
            .unwrap_or_default()
            .to_owned();
        let answer = body(response).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["requestId"],
            json!(id),
            "{answer}"
        );
        assert!(!code(&answer).is_empty());
    }
    for method in [
        reqwest::Method::PUT,
        reqwest::Method::DELETE,
        reqwest::Method::PATCH,
    ] {
        let response = world
            .client
            .request(method, world.url("/graphql"))
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), 405);
    }
    assert_eq!(world.get(&world.url("/nope")).await.status(), 404);
}

#[tokio::test]
async fn refusals_say_how_to_correct_the_request() {
    let world = world().await;
    for (query, says) in [
        ("{ assetSources { name }", "syntax error: expected"),
        ("{ assetSource(name: ) { name } }", "syntax error: expected"),
        ("fragment A on Query { __typename }", "has no operation"),
    ] {
        let answer = world.ask(query).await;
        assert_eq!(code(&answer), "GRAPHQL_PARSE_FAILED", "{answer}");
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(says), "{query}: {message}");
    }
    let compressed = world
        .client
        .post(world.url("/graphql"))
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body("x");
    let response = compressed.send().await.expect("an answer");
    assert_eq!(response.status(), 415);
    assert!(
        body(response)
            .await
            .to_string()
            .contains("content-encoding")
    );
    // `identity` is no coding, and a byte order mark is no text.
    let marked = world
        .client
        .post(world.url("/graphql"))
        .header("content-type", "application/json")
        .header("content-encoding", "Identity")
        .body("\u{feff}{\"query\":\"{__typename}\"}");
    let response = marked.send().await.expect("an answer");
    assert_eq!(response.status(), 200);
    let page = world.get(&world.url("/graphql/ws")).await;
    assert_eq!(page.status(), 426);
    assert_eq!(page.headers()["upgrade"], "websocket");
    assert_eq!(page.headers()["sec-websocket-version"], "13");
    assert!(!code(&body(page).await).is_empty());
}

#[tokio::test]
async fn refusals_have_the_accepted_media_type() {
    let hash = blake3::hash(b"key");
    let keys = format!(
        "[access]\nmode = \"keys\"\n[[access.keys]]\nid = \"a\"\nhash = \"blake3:{hash}\"\n\
         scopes = [\"assets:read\"]\n[limits]\nbody_bytes = 100\n"
    );
    let limited = "[access.rate_limit]\nrequests_per_minute = 1\nburst = 1\n";
    let large = format!("{{\"query\":\"{}\"}}", "x".repeat(200));
    for (accept, media_type) in [
        (
            "application/graphql-response+json, application/json;q=0.9",
            "application/graphql-response+json; charset=utf-8",
        ),
        ("application/json", "application/json; charset=utf-8"),
    ] {
        let world = world_of(&keys).await;
        let busy = world_of(limited).await;
        assert_eq!(busy.ask("{ __typename }").await.get("errors"), None);
        for (world, status, key, host, content_type, body) in [
            (&world, 401, "wrong", "localhost", "application/json", "{}"),
            (&world, 421, "key", "evil.example", "application/json", "{}"),
            (&world, 415, "key", "localhost", "text/plain", "{}"),
            (&world, 413, "key", "localhost", "application/json", &*large),
            (&world, 400, "key", "localhost", "application/json", "{"),
            (&busy, 429, "key", "localhost", "application/json", "{}"),
        ] {
            let request = world
                .client
                .post(world.url("/graphql"))
                .header("accept", accept)
                .header("authorization", format!("Bearer {key}"))
                .header("host", host)
                .header("content-type", content_type)
                .body(body.to_owned());
            let response = request.send().await.expect("an answer");
            assert_eq!(response.status(), status);
            assert_eq!(response.headers()["content-type"], media_type, "{status}");
            assert!(!code(&self::body(response).await).is_empty());
        }
    }
}

#[tokio::test]
async fn head_is_get_without_its_body() {
    let world = world().await;
    let url = world.url("/graphql?query=%7BassetSources%7Bname%7D%7D");
    let got = world.get(&url).await;
    let head = world.client.head(&url).send().await.expect("an answer");
    assert_eq!(head.status(), 200);
    for name in ["content-type", "etag", "cache-control", "content-length"] {
        assert_eq!(head.headers().get(name), got.headers().get(name), "{name}");
    }
    assert_eq!(head.text().await.expect("nothing"), "");
}

#[tokio::test]
async fn a_request_must_name_exactly_one_host() {
    let world = world().await;
    for hosts in ["", "host: 127.0.0.1\r\nhost: localhost\r\n"] {
        let mut stream = tokio::net::TcpStream::connect(world.address)
            .await
            .expect("a connection");
        let request = format!(
            "GET /graphql?query=%7B__typename%7D HTTP/1.1\r\n{hosts}connection: close\r\n\r\n"
        );
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
            .await
            .expect("written");
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)
            .await
            .expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert!(answer.contains("exactly one"), "{answer}");
    }
}

#[tokio::test]
async fn unknown_transfer_codings_are_refused_with_501() {
    let world = world().await;
    for (codings, status) in [
        ("foo, chunked", "501"),
        ("gzip, chunked", "501"),
        ("Chunked", "200"),
        // RFC 9112, 6.3: the end of such a body is not known.
        ("gzip", "400"),
    ] {
        let mut stream = tokio::net::TcpStream::connect(world.address)
            .await
            .expect("a connection");
        let request = format!(
            "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             transfer-encoding: {codings}\r\nconnection: close\r\n\r\n\
             18\r\n{{\"query\":\"{{__typename}}\"}}\r\n0\r\n\r\n"
        );
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes())
            .await
            .expect("written");
        let mut answer = String::new();
        // The gateway may close before it has read the body.
        let _ = tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{codings}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_body_past_the_limit_is_refused_with_413() {
    let world = world().await;
    let response = world
        .post(&format!("{{\"query\": \"{}\"}}", "x".repeat(1_100_000)))
        .await;
    assert_eq!(response.status(), 413);
    assert_eq!(code(&body(response).await), "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn unknown_host_names_are_refused() {
    let world = world().await;
    let with_host = |host: &'static str| {
        world
            .client
            .post(world.url("/graphql"))
            .header("host", host)
            .header("content-type", "application/json")
            .body("{\"query\":\"{__typename}\"}")
            .send()
    };
    for host in ["localhost:8000", "127.0.0.1", "[::1]:8000"] {
        assert_eq!(
            with_host(host).await.expect("an answer").status(),
            200,
            "{host}"
        );
    }
    for host in ["evil.example", "localhost.evil.example", "10.0.0.1:8000"] {
        let response = with_host(host).await.expect("an answer");
        assert_eq!(response.status(), 421, "{host}");
        assert_eq!(code(&body(response).await), "FORBIDDEN");
    }
}

async fn socket(world: &TestGateway) -> Socket {
    let opened = open_socket(world.address, "graphql-transport-ws", None).await;
    let mut socket = opened.expect("a socket");
    send(&mut socket, json!({ "type": "connection_init" })).await;
    assert_eq!(next(&mut socket).await["type"], "connection_ack");
    socket
}

async fn send(socket: &mut Socket, message: Value) {
    socket
        .send(Message::text(message.to_string()))
        .await
        .expect("sent");
}

async fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.expect("a message").expect("a frame") {
            Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn queries_are_answered_over_a_websocket_too() {
    let world = world().await;
    let mut socket = socket(&world).await;
    let query = "{ assets(first: 20) { nodes { name preview { name } } } assetSources { name } }";
    send(
        &mut socket,
        json!({ "id": "1", "type": "subscribe", "payload": { "query": query } }),
    )
    .await;
    let answer = next(&mut socket).await;
    assert_eq!(answer["type"], "next", "{answer}");
    let data = &answer["payload"]["data"];
    assert_eq!(data["assets"]["nodes"].as_array().map(Vec::len), Some(20));
    assert_eq!(texts(&data["assetSources"], "/name").len(), 3);
    assert_eq!(next(&mut socket).await["type"], "complete");
}

#[tokio::test]
async fn the_limits_hold_on_a_websocket_too() {
    let world = world().await;
    let mut socket = socket(&world).await;
    let deep = format!("{{a(x:{}1{})}}", "[".repeat(100), "]".repeat(100));
    send(
        &mut socket,
        json!({ "id": "1", "type": "subscribe", "payload": { "query": deep } }),
    )
    .await;
    let answer = next(&mut socket).await;
    assert!(
        answer.to_string().contains("nesting of brackets"),
        "{answer}"
    );
}

#[tokio::test]
async fn pages_of_other_origins_open_no_websocket() {
    let world = world().await;
    let origin = Some("https://evil.example");
    let refused = open_socket(world.address, "graphql-transport-ws", origin).await;
    let refused = refused.expect_err("refused");
    assert!(refused.to_string().contains("403"), "{refused}");
}
