//! Every rule of graphql-transport-ws, over real sockets.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_tungstenite::tungstenite::{
    Bytes, Message,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

use asset_gateway::sandbox::{Fault, Options};

use crate::harness::{Socket, TestGateway, begin, open_socket, world, world_of, world_with};

const PROTOCOL: &str = "graphql-transport-ws";

async fn open(world: &TestGateway) -> Socket {
    open_socket(world.address, PROTOCOL, None)
        .await
        .expect("a socket")
}

async fn connect(world: &TestGateway) -> Socket {
    let mut socket = open(world).await;
    send_json(&mut socket, &json!({ "type": "connection_init" })).await;
    assert_eq!(
        receive(&mut socket).await,
        json!({ "type": "connection_ack" })
    );
    socket
}

async fn send_json(socket: &mut Socket, message: &Value) {
    let text = Message::text(message.to_string());
    socket.send(text).await.expect("sent");
}

fn ask(id: &str, query: &str) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": { "query": query } })
}

/// The next message.
async fn receive(socket: &mut Socket) -> Value {
    match socket.next().await.expect("a message").expect("a frame") {
        Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

/// The code and reason of the close frame; ignores earlier messages.
async fn close_frame(socket: &mut Socket) -> (u16, String) {
    while let Some(Ok(frame)) = socket.next().await {
        if let Message::Close(Some(frame)) = frame {
            return (frame.code.into(), frame.reason.to_string());
        }
    }
    panic!("ended without a word");
}

#[tokio::test]
async fn a_socket_that_breaks_the_protocol_is_closed_with_its_code() {
    let world = world().await;
    let query = "{ assetSources { name } }";
    for (messages, code) in [
        (
            vec![Message::Frame(Frame::message(
                &b"\xff\xfe"[..],
                OpCode::Data(Data::Text),
                true,
            ))],
            1007,
        ),
        (vec![Message::text("no JSON")], 4400),
        (vec![Message::text("{\"type\":\"nope\"}")], 4400),
        (
            vec![Message::binary(Bytes::from_static(
                b"{\"type\":\"connection_init\"}",
            ))],
            4400,
        ),
        (vec![Message::text(ask("1", query).to_string())], 4401),
        (
            vec![Message::text("{\"type\":\"connection_init\"}"); 2],
            4429,
        ),
        (
            vec![Message::text(
                "{\"type\":\"connection_init\",\"payload\":7}",
            )],
            4400,
        ),
    ] {
        let mut socket = open(&world).await;
        for message in &messages {
            // The gateway may have ended the connection.
            let _ = socket.send(message.clone()).await;
        }
        assert_eq!(close_frame(&mut socket).await.0, code, "{messages:?}");
    }
    for (message, code) in [
        (
            json!({ "type": "start", "id": "1", "payload": { "query": query } }),
            4400,
        ),
        (
            json!({ "type": "subscribe", "payload": { "query": query } }),
            4400,
        ),
        (
            json!({ "type": "subscribe", "id": "1", "payload": { "query": 7 } }),
            4400,
        ),
        (json!({ "type": "connection_init" }), 4429),
    ] {
        let mut socket = connect(&world).await;
        send_json(&mut socket, &message).await;
        assert_eq!(close_frame(&mut socket).await.0, code, "{message}");
    }
}

#[tokio::test]
async fn an_active_id_cannot_be_reused() {
    let world = world().await;
    world
        .sandbox
        .scenario
        .faults
        .add("GET", Fault::Hold(Arc::new(Semaphore::new(0))));
    let mut socket = connect(&world).await;
    let slow = ask("7", "{ scenarioAssets { nodes { id } } }");
    send_json(&mut socket, &slow).await;
    send_json(&mut socket, &slow).await;
    assert_eq!(
        close_frame(&mut socket).await,
        (4409, "Subscriber for 7 already exists".to_owned())
    );
    // A completed id may be used again.
    let mut socket = connect(&world).await;
    for _ in 0..2 {
        send_json(&mut socket, &ask("7", "{ assetSources { name } }")).await;
        assert_eq!(receive(&mut socket).await["type"], "next");
        assert_eq!(
            receive(&mut socket).await,
            json!({ "type": "complete", "id": "7" })
        );
    }
}

#[tokio::test]
async fn no_message_follows_an_operation_that_its_client_completed() {
    let world = world().await;
    world
        .sandbox
        .scenario
        .faults
        .add("GET", Fault::Hold(Arc::new(Semaphore::new(0))));
    let mut socket = connect(&world).await;
    send_json(
        &mut socket,
        &ask("1", "{ scenarioAssets { nodes { id } } }"),
    )
    .await;
    send_json(&mut socket, &json!({ "id": "1", "type": "complete" })).await;
    send_json(&mut socket, &ask("2", "{ __typename }")).await;
    let next = receive(&mut socket).await;
    assert_eq!((&next["id"], &next["type"]), (&json!("2"), &json!("next")));
}

#[tokio::test]
async fn an_operation_that_was_not_executed_is_an_error_message() {
    let world = world().await;
    let mut socket = connect(&world).await;
    send_json(&mut socket, &ask("1", "{ nope }")).await;
    let message = receive(&mut socket).await;
    assert_eq!(
        (&message["id"], &message["type"]),
        (&json!("1"), &json!("error"))
    );
    assert_eq!(
        message["payload"][0]["extensions"]["code"],
        "GRAPHQL_VALIDATION_FAILED"
    );
    // No message follows the error.
    send_json(
        &mut socket,
        &json!({ "type": "ping", "payload": { "n": 1 } }),
    )
    .await;
    assert_eq!(
        receive(&mut socket).await,
        json!({ "type": "pong", "payload": { "n": 1 } })
    );
}

#[tokio::test]
async fn pings_are_answered_before_connection_init() {
    let world = world().await;
    let mut socket = open(&world).await;
    send_json(&mut socket, &json!({ "type": "ping" })).await;
    assert_eq!(receive(&mut socket).await, json!({ "type": "pong" }));
}

#[tokio::test]
async fn a_missing_connection_init_closes_the_socket_with_4408() {
    let world = world_with(Options::default(), |config| {
        config.limits.idle = Duration::from_millis(300);
    })
    .await;
    let mut socket = open(&world).await;
    assert_eq!(close_frame(&mut socket).await.0, 4408);
}

#[tokio::test]
async fn a_refused_credential_closes_the_socket_with_4403() {
    let hash = "0".repeat(64);
    let world = world_of(&format!(
        "[access]\nmode = \"keys\"\n[[access.keys]]\nid = \"web\"\nhash = \"blake3:{hash}\"\nscopes = [\"assets:read\"]\n"
    ))
    .await;
    let mut socket = open(&world).await;
    let init = json!({ "type": "connection_init", "payload": { "authorization": "Bearer nope" } });
    send_json(&mut socket, &init).await;
    let (code, reason) = close_frame(&mut socket).await;
    assert_eq!(code, 4403);
    assert!(reason.contains("request"), "{reason}");
}

#[tokio::test]
async fn a_message_past_the_limit_closes_the_socket() {
    let world = world().await;
    let mut socket = connect(&world).await;
    let long = ask("1", &"x".repeat(1_100_000)).to_string();
    // The gateway may end the connection before it has the whole message.
    let _ = socket.send(Message::text(long)).await;
    assert_eq!(close_frame(&mut socket).await.0, 1009);
}

#[tokio::test]
async fn a_close_is_answered_and_reaches_a_client_that_still_sends() {
    let world = world().await;
    let mut socket = connect(&world).await;
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "bye".into(),
    };
    socket.close(Some(frame)).await.expect("sent");
    assert_eq!(close_frame(&mut socket).await, (1000, "bye".to_owned()));
    let mut socket = connect(&world).await;
    let more = ask("1", "{ assetSources { name } }").to_string();
    for text in ["nope", &more, &more] {
        let _ = socket.feed(Message::text(text)).await;
    }
    let _ = socket.flush().await;
    assert_eq!(close_frame(&mut socket).await.0, 4400);
}

#[tokio::test]
async fn an_id_can_be_reused_once_its_client_has_completed_it() {
    let world = world().await;
    let mut socket = connect(&world).await;
    for _ in 0..20 {
        for message in [
            ask("1", "{ assets(first: 50) { nodes { id name } } }"),
            json!({ "id": "1", "type": "complete" }),
            ask("1", "{ __typename }"),
        ] {
            let text = Message::text(message.to_string());
            socket.feed(text).await.expect("sent");
        }
        socket.flush().await.expect("sent");
        let next = receive(&mut socket).await;
        assert_eq!(
            next["payload"],
            json!({ "data": { "__typename": "Query" } })
        );
        assert_eq!(
            receive(&mut socket).await,
            json!({ "type": "complete", "id": "1" })
        );
    }
}

#[tokio::test]
async fn close_reasons_of_the_older_protocol_fit_their_frame() {
    let world = world().await;
    for last in [
        json!({ "type": "x".repeat(300) }),
        json!({ "type": "connection_terminate" }),
    ] {
        let mut socket = open_socket(world.address, "graphql-ws", None)
            .await
            .expect("a socket");
        send_json(&mut socket, &json!({ "type": "connection_init" })).await;
        assert_eq!(receive(&mut socket).await["type"], "connection_ack");
        send_json(&mut socket, &last).await;
        let (_, reason) = close_frame(&mut socket).await;
        assert!(reason.len() <= 123, "{reason}");
    }
}

#[tokio::test]
async fn the_older_protocol_takes_text_in_binary_frames() {
    let world = world().await;
    let mut socket = open_socket(world.address, "graphql-ws", None)
        .await
        .expect("a socket");
    let start = json!({ "type": "start", "id": "1", "payload": { "query": "{ __typename }" } });
    for message in [json!({ "type": "connection_init" }), start] {
        let bytes = Message::binary(message.to_string().into_bytes());
        socket.send(bytes).await.expect("sent");
    }
    assert_eq!(receive(&mut socket).await["type"], "connection_ack");
    assert_eq!(receive(&mut socket).await["type"], "data");
}

#[tokio::test]
async fn the_newer_of_two_offered_protocols_is_selected() {
    let world = world().await;
    let both = "graphql-ws, graphql-transport-ws";
    let mut socket = open_socket(world.address, both, None)
        .await
        .expect("a socket that says which");
    send_json(&mut socket, &json!({ "type": "connection_init" })).await;
    assert_eq!(receive(&mut socket).await["type"], "connection_ack");
    send_json(&mut socket, &ask("1", "{ __typename }")).await;
    assert_eq!(receive(&mut socket).await["type"], "next");
}

#[tokio::test]
async fn an_idle_socket_closes_and_an_active_one_stays() {
    let world = world_with(Options::default(), |config| {
        config.limits.idle = Duration::from_millis(400);
        for source in &mut config.sources {
            source.common.patience = Duration::from_secs(20);
        }
    })
    .await;
    for protocol in ["graphql-transport-ws", "graphql-ws"] {
        let mut socket = open_socket(world.address, protocol, None)
            .await
            .expect("a socket");
        begin(&mut socket, &json!({})).await.expect("acknowledged");
        let gate = Arc::new(Semaphore::new(0));
        let faults = &world.sandbox.piktid.faults;
        faults.add("GET /assets", Fault::Hold(Arc::clone(&gate)));
        let kind = if protocol == "graphql-ws" {
            "start"
        } else {
            "subscribe"
        };
        let first = if protocol == "graphql-ws" { 3 } else { 4 };
        let query = format!(
            "{{ assets(first: {first}, filter: {{sources: [\"piktid\"]}}) {{ nodes {{ id }} }} }}"
        );
        let ask = json!({ "id": "1", "type": kind, "payload": { "query": query } });
        send_json(&mut socket, &ask).await;
        let (answer, ()) = tokio::join!(receive(&mut socket), async {
            tokio::time::sleep(Duration::from_millis(1_200)).await;
            gate.add_permits(100);
        });
        assert!(answer["payload"]["data"].is_object(), "{answer}");
        assert_eq!(receive(&mut socket).await["type"], "complete");
        faults.clear();
        let (code, reason) =
            tokio::time::timeout(Duration::from_secs(10), close_frame(&mut socket))
                .await
                .expect("it ends");
        assert_eq!(code, 1001, "{reason}");
    }
}

#[tokio::test]
async fn a_stopping_gateway_answers_operations_and_closes_sockets_with_1012() {
    use asset_gateway::{
        sandbox::Sandbox,
        server::{self, Gateway},
    };
    for protocol in ["graphql-transport-ws", "graphql-ws"] {
        let sandbox = Sandbox::start(Options::default()).await.expect("it starts");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let gateway = Gateway::new(crate::harness::config(&sandbox), address).expect("it holds");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            let stopped = async { drop(stopped.await) };
            server::serve(listener, &gateway, stopped).await;
        });
        let id = {
            let store = sandbox.store.piktid();
            let own = store.iter().find(|own| own.created_by == "ada");
            crate::harness::asset_id("piktid", &own.expect("an asset").id)
        };
        let gate = Arc::new(Semaphore::new(0));
        let piktid = &sandbox.piktid;
        piktid.faults.add("PATCH", Fault::Hold(Arc::clone(&gate)));
        let mut socket = open_socket(address, protocol, None)
            .await
            .expect("a socket");
        let mut idle = open_socket(address, protocol, None)
            .await
            .expect("a socket");
        for own in [&mut socket, &mut idle] {
            begin(own, &json!({})).await.expect("acknowledged");
        }
        let kind = if protocol == "graphql-ws" {
            "start"
        } else {
            "subscribe"
        };
        let change = format!(
            "mutation {{ setAssetNote(input: {{assetId: \"{id}\", note: \"last\"}}) \
             {{ asset {{ note }} errors {{ code }} }} }}"
        );
        let ask = json!({ "id": "1", "type": kind, "payload": { "query": change } });
        send_json(&mut socket, &ask).await;
        while piktid.recorder.count("PATCH") == 0 {
            tokio::task::yield_now().await;
        }
        stop.send(()).expect("it serves");
        // The socket without an operation closes first.
        assert_eq!(close_frame(&mut idle).await.0, 1012);
        // The gateway starts no new operation.
        let late = json!({ "id": "2", "type": kind, "payload": { "query": change } });
        send_json(&mut socket, &late).await;
        gate.add_permits(100);
        let answer = receive(&mut socket).await;
        assert_eq!(answer["id"], "1");
        let payload = &answer["payload"]["data"]["setAssetNote"];
        assert_eq!(payload["asset"]["note"], "last", "{answer}");
        assert_eq!(receive(&mut socket).await["type"], "complete");
        assert_eq!(close_frame(&mut socket).await.0, 1012);
        tokio::time::timeout(Duration::from_secs(9), serving)
            .await
            .expect("it ends when all is answered")
            .expect("it ends well");
        assert_eq!(piktid.recorder.count("PATCH"), 1);
    }
}
