//! Both response writers give the same answer, including the order of its fields. Over HTTP the
//! gateway writes most of an answer itself; over a socket the engine writes all of it.

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Socket, TestGateway, asset_id, open_socket, texts, world};

/// Every field of an asset, except addresses, which change over time.
const FIELDS: &str = "id provider upstreamId name kind mimeType size width height durationSeconds \
    contentHash createdAt updatedAt status visibility createdBy tags note viewerCanTag viewerCanNote \
    viewerCanDelete";

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    errors: Vec<Value>,
}

impl Answer<'_> {
    /// The data as written, and the errors without their request ids.
    fn comparable(mut self) -> (String, Vec<Value>) {
        for error in &mut self.errors {
            error["extensions"]["requestId"] = Value::Null;
        }
        let data = self.data.map(|data| data.get().to_owned());
        (data.unwrap_or_default(), self.errors)
    }
}

async fn over_http(world: &TestGateway, query: &str) -> (String, Vec<Value>) {
    let body = json!({ "query": query }).to_string();
    let text = world.post(&body).await.text().await.expect("a body");
    let answer: Answer<'_> =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{query}: {error} in {text}"));
    answer.comparable()
}

async fn over_socket(socket: &mut Socket, query: &str) -> (String, Vec<Value>) {
    #[derive(Deserialize)]
    struct Next<'a> {
        #[serde(borrow)]
        payload: Answer<'a>,
    }
    let ask = json!({ "id": "1", "type": "subscribe", "payload": { "query": query } });
    socket
        .send(Message::text(ask.to_string()))
        .await
        .expect("sent");
    let next = text(socket).await;
    assert!(next.contains(r#""next""#), "{query}: {next}");
    let next: Next<'_> = serde_json::from_str(&next).unwrap_or_else(|_| panic!("{next}"));
    let comparable = next.payload.comparable();
    assert!(text(socket).await.contains(r#""complete""#));
    comparable
}

async fn text(socket: &mut Socket) -> String {
    let message = socket.next().await.expect("a message").expect("a frame");
    message.into_text().expect("text").to_string()
}

#[tokio::test]
async fn an_answer_is_the_same_over_http_and_over_a_socket() {
    let world = world().await;
    let mut socket = open_socket(world.address, "graphql-transport-ws", None)
        .await
        .expect("a socket");
    let init = Message::text(r#"{"type":"connection_init"}"#);
    socket.send(init).await.expect("sent");
    assert_eq!(text(&mut socket).await, r#"{"type":"connection_ack"}"#);

    let listed = world
        .data("{ assets(first: 4) { nodes { id } } assetSources { id } }")
        .await;
    let assets = texts(&listed["assets"]["nodes"], "/id");
    let source = &texts(&listed["assetSources"], "/id")[0];
    let gone = asset_id("comfy", "00000000-0000-4000-8000-000000000000");
    let [one, two] = [&assets[0], &assets[1]];
    let lists = ["edges", "nodes", "pageInfo"].map(|part| match part {
        "edges" => format!("edges {{ cursor node {{ {FIELDS} }} __typename }}"),
        "nodes" => format!("nodes {{ a: name {FIELDS} __typename b: tags }}"),
        _ => "pageInfo { hasNextPage hasPreviousPage startCursor endCursor __typename } totalCount isComplete"
            .to_owned(),
    });
    let list = lists.join(" ");
    let queries = [
        format!("{{ assets(first: 100) {{ __typename {list} }} }}"),
        format!("{{ assets(last: 3) {{ {list} sourceResults {{ status source {{ name }} }} }} }}"),
        format!("{{ assets(first: 20) {{ x: nodes {{ preview {{ {FIELDS} }} name parent {{ id }} root {{ id name }} }} }} }}"),
        "{ assets(first: 9) { nodes { source { name } id details { __typename ... on ComfyDetails { hash } } kind } edges { node { details { __typename } } cursor } } }".to_owned(),
        "{ assets(first: 2) { nodes { children(first: 2) { nodes { id } totalCount } } } }".to_owned(),
        "{ comfyAssets(first: 3) { nodes { raw thumbnailUrl(size: LARGE) @skip(if: true) id } } }".to_owned(),
        "{ assetSources { name assets(first: 2) { nodes { id source { name } } isComplete } } }".to_owned(),
        format!("{{ asset(id: \"{one}\") {{ {FIELDS} source {{ name }} }} }}"),
        format!("{{ asset(id: \"{gone}\") {{ {FIELDS} }} }}"),
        format!("{{ asset(id: \"{source}\") {{ {FIELDS} }} other: asset(id: \"{two}\") {{ id }} }}"),
        format!("{{ node(id: \"{one}\") {{ id __typename ... on Asset {{ {FIELDS} }} ... on AssetSource {{ name }} }} }}"),
        format!("{{ nodes(ids: [\"{one}\", \"{gone}\", \"{two}\"]) {{ ... on Asset {{ {FIELDS} }} }} }}"),
        format!("{{ nodes(ids: [\"{one}\", \"no id\", \"{source}\"]) {{ id ... on Asset {{ {FIELDS} }} }} }}"),
        // The selections match none of the returned objects, or only some.
        format!("{{ node(id: \"{one}\") {{ ... on AssetSource {{ name }} }} }}"),
        format!("{{ nodes(ids: [\"{one}\", \"{source}\", \"{two}\"]) {{ ... on AssetSource {{ name }} }} }}"),
        format!("{{ nodes(ids: [\"{one}\", \"{two}\"]) {{ ... on AssetSource {{ name }} }} }}"),
        "{ assets(first: 2) { nodes { name @include(if: false) } edges { node { id @skip(if: true) } cursor } } }".to_owned(),
        "{ assets(first: 2) { nodes { id } pageInfo { endCursor @skip(if: true) } } }".to_owned(),
        "{ assets(first: 2) { totalCount @skip(if: true) } }".to_owned(),
        "{ assets(first: 2) { edges { cursor @skip(if: true) } } }".to_owned(),
    ];
    for query in queries {
        let comparable = over_http(&world, &query).await;
        assert_eq!(
            comparable,
            over_socket(&mut socket, &query).await,
            "{query}"
        );
        // The cached answer is the same.
        assert_eq!(comparable, over_http(&world, &query).await, "{query}");
    }
}
