//! Shared resources are bounded, and one client cannot take them from the others.

use std::time::Duration;

use asset_gateway::{config::Limits, sandbox::Options};
use futures_util::{SinkExt, StreamExt, future::join_all};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{TestGateway, asset_id, begin, json_of, open_socket, world_with};

const SOON: Duration = Duration::from_secs(20);

async fn world(change: impl FnOnce(&mut Limits)) -> TestGateway {
    world_with(Options::default(), |config| change(&mut config.limits)).await
}

/// A request that announces its body and sends the beginning of it.
async fn begin_request(world: &TestGateway, announced: usize, sent: usize) -> TcpStream {
    let mut stream = TcpStream::connect(world.address).await.expect("connected");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n\
         content-length: {announced}\r\n\r\n",
        world.address
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&vec![b' '; sent]).await.expect("sent");
    stream
}

/// A query with a large variable, declared or not.
fn query(declared: bool, bytes: usize) -> String {
    let declaration = if declared {
        "($f: ComfyAssetFilter)"
    } else {
        ""
    };
    let used = if declared {
        "(filter: $f, first: 1)"
    } else {
        "(first: 1)"
    };
    let items = "1,".repeat(bytes / 2);
    json!({
        "query": format!("query{declaration} {{ comfyAssets{used} {{ nodes {{ id }} }} }}"),
        "variables": { "f": "?" },
    })
    .to_string()
    .replace(
        "\"?\"",
        &format!("{{\"metadataFilter\":[{{\"key\":\"k\",\"anyOf\":[{items}1]}}]}}"),
    )
}

fn refusal(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]
}

async fn posted(world: &TestGateway, body: &str) -> (u16, Value) {
    let response = world.post(body).await;
    (response.status().as_u16(), json_of(response).await)
}

#[tokio::test]
async fn bodies_count_as_they_arrive_and_one_client_gets_half_of_the_memory() {
    let world = world(|limits| limits.request_memory_bytes = 400_000).await;
    let small = "{ assetSources { name } }";
    world.data(small).await;
    // Announced bodies of which hardly anything arrives reserve no memory.
    let announced = join_all((0..20).map(|_| begin_request(&world, 1_000_000, 10))).await;
    let body = query(false, 150_000);
    let (status, answer) = posted(&world, &body).await;
    assert_eq!((status, answer.get("errors")), (200, None), "{answer}");
    drop(announced);
    // Slightly less than half of the memory is in use.
    let held = begin_request(&world, 1_000_000, 190_000).await;
    let refused = async {
        loop {
            let (status, answer) = posted(&world, &body).await;
            if status != 200 {
                return (status, answer);
            }
        }
    };
    let (status, answer) = timeout(SOON, refused).await.expect("refused");
    assert_eq!(status, 503, "{answer}");
    let extensions = refusal(&answer);
    assert_eq!(extensions["code"], "LIMIT_EXCEEDED");
    assert_eq!(extensions["limit"]["name"], "request_memory_bytes");
    assert_eq!(extensions["limit"]["maximum"], 200_000);
    assert_eq!(extensions["retryAfterSeconds"], 1);
    world.data(small).await;
    // Another client has a half of the memory too.
    let other_client = reqwest::Client::builder()
        .local_address(Some([127, 0, 0, 2].into()))
        .build()
        .expect("a client");
    let request = other_client
        .post(world.url("/graphql"))
        .header("content-type", "application/json")
        .body(body.clone());
    assert_eq!(request.send().await.expect("an answer").status(), 200);
    // A client that disconnects releases its memory.
    drop(held);
    let again = async { while posted(&world, &body).await.0 != 200 {} };
    timeout(SOON, again).await.expect("there is room again");
}

#[tokio::test]
async fn undeclared_variables_are_not_parsed() {
    let world = world(|limits| limits.request_memory_bytes = 4_000_000).await;
    let (status, answer) = posted(&world, &query(false, 700_000)).await;
    assert_eq!((status, answer.get("errors")), (200, None), "{answer}");
    // Parsed, the variables take many times their size.
    let (status, answer) = posted(&world, &query(true, 700_000)).await;
    assert_eq!(status, 503, "{answer}");
    assert_eq!(refusal(&answer)["limit"]["name"], "request_memory_bytes");
    // The same over a WebSocket.
    for protocol in ["graphql-transport-ws", "graphql-ws"] {
        let mut socket = open_socket(world.address, protocol, None)
            .await
            .expect("a socket");
        begin(&mut socket, &json!({})).await.expect("acknowledged");
        let kind = if protocol == "graphql-ws" {
            "start"
        } else {
            "subscribe"
        };
        let payload: Value = serde_json::from_str(&query(true, 700_000)).expect("JSON");
        let ask = json!({ "id": "7", "type": kind, "payload": payload }).to_string();
        socket.send(Message::text(ask)).await.expect("sent");
        let Some(Ok(Message::Text(text))) = socket.next().await else {
            panic!("no message");
        };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(
            (&message["id"], &message["type"]),
            (&json!("7"), &json!("error"))
        );
        let error = message["payload"].get(0).unwrap_or(&message["payload"]);
        assert_eq!(error["extensions"]["code"], "LIMIT_EXCEEDED", "{message}");
        let ask = json!({ "id": "8", "type": kind, "payload": { "query": "{ __typename }" } });
        socket
            .send(Message::text(ask.to_string()))
            .await
            .expect("sent");
        let answered = socket.next().await.expect("a message").expect("a frame");
        assert!(answered.to_string().contains("\"8\""), "{answered}");
    }
}

fn upload(length: Option<usize>, bytes: usize) -> Form {
    let mut file = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    file.resize(bytes, 7);
    let mut input = json!({ "source": "scenario", "file": null });
    if let Some(length) = length {
        input["byteLength"] = json!(length);
    }
    let operations = json!({
        "query": "mutation($input: UploadAssetInput!) { uploadAsset(input: $input) \
                  { asset { id } errors { code message field } } }",
        "variables": { "input": input },
    });
    Form::new()
        .text("operations", operations.to_string())
        .text("map", r#"{"0": ["variables.input.file"]}"#)
        .part("0", Part::bytes(file).file_name("a.png"))
}

#[tokio::test]
async fn spooled_uploads_are_bounded() {
    let world = world(|limits| limits.spool_bytes = 1_000_000).await;
    let send = async |form: Form| -> Value {
        let response = world
            .client
            .post(world.url("/graphql"))
            .header("graphql-require-preflight", "1")
            .multipart(form)
            .send()
            .await
            .expect("an answer");
        let text = response.text().await.expect("text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer.get("errors"), None, "{answer}");
        answer["data"]["uploadAsset"]["errors"].clone()
    };
    assert_eq!(send(upload(None, 400_000)).await, json!([]));
    let crowded = send(upload(None, 600_000)).await;
    assert_eq!(crowded[0]["code"], "LIMIT_EXCEEDED", "{crowded}");
    let message = crowded[0]["message"].as_str().unwrap_or_default();
    assert!(message.contains("byteLength"), "{message}");
    // With its length, the file is streamed instead of spooled.
    assert_eq!(send(upload(Some(600_000), 600_000)).await, json!([]));
    // The refused upload has released its disk space.
    assert_eq!(send(upload(None, 400_000)).await, json!([]));
}

#[tokio::test]
async fn a_client_that_does_not_read_blocks_no_other_downloads() {
    let world = world(|limits| limits.query_deadline = Duration::from_secs(5)).await;
    let large = {
        let mut store = world.sandbox.store.comfy();
        let asset = &mut store[3];
        asset.file.uploaded = Some(("image/png".to_owned(), vec![0; 32 * 1024 * 1024]));
        asset.id.clone()
    };
    let url = world
        .data(&format!(
            "{{ asset(id: \"{}\") {{ url }} }}",
            asset_id("comfy", &large)
        ))
        .await["asset"]["url"]
        .as_str()
        .expect("an address")
        .to_owned();
    // More downloads than the limit for all clients together.
    let idle = join_all((0..70).map(|_| world.client.get(&url).send())).await;
    let statuses: Vec<u16> = idle
        .iter()
        .flatten()
        .map(|response| response.status().as_u16())
        .collect();
    assert!(statuses.contains(&429), "{statuses:?}");
    let other_client = reqwest::Client::builder()
        .local_address(Some([127, 0, 0, 2].into()))
        .build()
        .expect("a client");
    let response = timeout(SOON, other_client.get(&url).send())
        .await
        .expect("soon");
    assert_eq!(response.expect("an answer").status(), 200);
    drop(idle);
}

/// An HTTP/2 frame (RFC 9113 4.1) on stream 0.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}

#[tokio::test]
async fn pings_do_not_keep_an_idle_connection_open() {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const GOAWAY: u8 = 7;
    let world = world(|limits| limits.idle = Duration::from_millis(400)).await;
    let stream = TcpStream::connect(world.address).await.expect("connected");
    let (mut read, mut write) = stream.into_split();
    write
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .expect("sent");
    write
        .write_all(&frame(SETTINGS, 0, &[]))
        .await
        .expect("sent");
    let (reply_sender, mut reply_receiver) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    let pinging = tokio::spawn(async move {
        loop {
            let next = timeout(Duration::from_millis(50), reply_receiver.recv()).await;
            let bytes = match next {
                Ok(Some(answer)) => answer,
                Ok(None) => return,
                Err(_) => frame(PING, 0, b"anybody?"),
            };
            if write.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut kinds = Vec::new();
    let reading = async {
        let mut head = [0; 9];
        while read.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            if read.read_exact(&mut payload).await.is_err() {
                break;
            }
            kinds.push(head[3]);
            match (head[3], head[4] & 1) {
                (SETTINGS, 0) => drop(reply_sender.send(frame(SETTINGS, 1, &[]))),
                (PING, 0) => drop(reply_sender.send(frame(PING, 1, &payload))),
                _ => {}
            }
        }
    };
    timeout(SOON, reading).await.expect("it ends");
    assert!(kinds.contains(&GOAWAY), "{kinds:?}");
    pinging.abort();
    // A connection with requests stays open.
    let client = reqwest::Client::builder()
        .http2_prior_knowledge()
        .build()
        .expect("a client");
    for _ in 0..10 {
        let response = client.get(world.url("/health")).send().await;
        assert_eq!(response.expect("an answer").status(), 200);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_partial_message_on_a_socket_counts_as_memory() {
    let world = world(|limits| limits.request_memory_bytes = 4 << 20).await;
    let mut halves = Vec::new();
    for _ in 0..4 {
        let mut stream = TcpStream::connect(world.address).await.expect("connected");
        let head = format!(
            "GET /graphql/ws HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
             sec-websocket-protocol: graphql-transport-ws\r\n\r\n",
            world.address
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1 101");
        // A masked text frame of 900,000 bytes, sent in part.
        let mut frame = vec![0x81, 0xff];
        frame.extend(900_000_u64.to_be_bytes());
        frame.resize(14 + 800_000, 0);
        // The gateway may have closed the connection already.
        let _ = stream.write_all(&frame).await;
        halves.push(stream);
    }
    let closings = halves.iter_mut().map(|stream| async move {
        let mut rest = Vec::new();
        timeout(Duration::from_secs(2), stream.read_to_end(&mut rest))
            .await
            .is_ok()
    });
    let closed = join_all(closings).await;
    assert_eq!(
        closed.iter().filter(|closed| **closed).count(),
        3,
        "{closed:?}"
    );
    let small = world.data("{ __typename }").await;
    assert_eq!(small["__typename"], "Query");
}

#[tokio::test]
async fn a_first_message_without_memory_closes_the_socket_with_1013() {
    let world = world(|limits| limits.request_memory_bytes = 4_000).await;
    for protocol in ["graphql-transport-ws", "graphql-ws"] {
        let mut socket = open_socket(world.address, protocol, None)
            .await
            .expect("it opens");
        let payload = json!({ "padding": vec!["x"; 500] });
        let init = json!({ "type": "connection_init", "payload": payload }).to_string();
        socket.send(Message::text(init)).await.expect("sent");
        let Some(Ok(Message::Close(Some(close)))) = socket.next().await else {
            panic!("{protocol}: no close frame");
        };
        assert_eq!(u16::from(close.code), 1013, "{protocol}");
    }
}
