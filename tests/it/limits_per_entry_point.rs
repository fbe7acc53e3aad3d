//! Every limit at every entry point: POST, GET, a batch, multipart, and both WebSocket protocols.

use futures_util::{SinkExt, StreamExt};
use reqwest::multipart::Form;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{TestGateway, asset_id, begin, error, open_socket, world, world_of};

/// An operation as a client sends it.
#[derive(Clone)]
struct Operation {
    query: String,
    variables: Value,
}

impl Operation {
    fn new(query: impl Into<String>) -> Self {
        Self {
            query: query.into(),
            variables: json!({}),
        }
    }

    fn json(&self) -> Value {
        json!({ "query": self.query, "variables": self.variables })
    }
}

impl TestGateway {
    async fn by_post(&self, operation: &Operation) -> Value {
        self.ask_with(&operation.query, operation.variables.clone())
            .await
    }

    async fn by_get(&self, operation: &Operation) -> Value {
        let mut url = reqwest::Url::parse(&self.url("/graphql")).expect("an address");
        url.query_pairs_mut()
            .append_pair("query", &operation.query)
            .append_pair("variables", &operation.variables.to_string());
        read(self.client.get(url).send().await.expect("an answer")).await
    }

    async fn by_batch(&self, operation: &Operation) -> Value {
        let ok = json!({ "query": "{ __typename }" });
        let body = json!([operation.json(), ok]).to_string();
        let answer = read(self.post(&body).await).await;
        if let Some(answers) = answer.as_array() {
            assert_eq!(answers[1], json!({ "data": { "__typename": "Query" } }));
            return answers[0].clone();
        }
        answer
    }

    async fn by_multipart(&self, operation: &Operation) -> Value {
        let form = Form::new()
            .text("operations", operation.json().to_string())
            .text("map", "{}");
        let request = self.client.post(self.url("/graphql"));
        let request = request.header("graphql-require-preflight", "1");
        read(request.multipart(form).send().await.expect("an answer")).await
    }

    async fn by_socket(&self, protocol: &'static str, operation: &Operation) -> Value {
        let mut socket = open_socket(self.address, protocol, None)
            .await
            .expect("a socket");
        let start = if protocol == "graphql-ws" {
            "start"
        } else {
            "subscribe"
        };
        let acknowledged = begin(&mut socket, &Value::Null).await.expect("a message");
        assert!(acknowledged.contains("connection_ack"), "{acknowledged}");
        let message = json!({ "type": start, "id": "1", "payload": operation.json() });
        socket
            .send(Message::text(message.to_string()))
            .await
            .expect("sent");
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            match message["type"].as_str() {
                Some("next" | "data") => return message["payload"].clone(),
                Some("error") => return json!({ "errors": message["payload"] }),
                _ => {}
            }
        }
        panic!("the socket was closed");
    }

    /// The answer at every entry point.
    async fn by_every_entry_point(&self, operation: &Operation) -> Vec<(&'static str, Value)> {
        vec![
            ("POST", self.by_post(operation).await),
            ("GET", self.by_get(operation).await),
            ("batch", self.by_batch(operation).await),
            ("multipart", self.by_multipart(operation).await),
            (
                "graphql-transport-ws",
                self.by_socket("graphql-transport-ws", operation).await,
            ),
            ("graphql-ws", self.by_socket("graphql-ws", operation).await),
        ]
    }
}

async fn read(response: reqwest::Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
}

#[tokio::test]
async fn every_limit_holds_at_every_entry_point_and_names_value_and_maximum() {
    let world = world().await;
    let repeat = |part: &str, times: usize| part.repeat(times);
    let aliases: String = (0..51).map(|n| format!("a{n}: name ")).collect();
    let roots: String = (0..21).map(|n| format!("r{n}: __typename ")).collect();
    let operations: String = (0..11)
        .map(|n| format!("query Q{n} {{ __typename }} "))
        .collect();
    let mut bomb = "{ ...f0 } ".to_owned();
    for level in 0..13 {
        bomb += &format!(
            "fragment f{level} on Query {{ ...f{0} ...f{0} }} ",
            level + 1
        );
    }
    bomb += "fragment f13 on Query { assetSources { name } }";
    let many = Operation {
        query: "query($t: [String!]) { assets(filter: {tagsAny: $t}) { nodes { id } } }".to_owned(),
        variables: json!({ "t": vec!["x"; 2_001] }),
    };
    let cases = [
        (
            "query_bytes",
            16_385,
            Operation::new(format!("{{ __typename #{}\n}}", repeat("x", 16_384 - 15))),
        ),
        (
            "nesting",
            65,
            Operation::new(format!(
                "{{ a(x: {}1{}) }}",
                repeat("[", 63),
                repeat("]", 63)
            )),
        ),
        (
            "tokens",
            2_001,
            Operation::new(format!("{{ __typename {} }}", repeat("@a ", 999))),
        ),
        (
            "depth",
            13,
            Operation::new(format!("{{ a {}{} }}", repeat("{ a ", 12), repeat("}", 12))),
        ),
        (
            "aliases",
            51,
            Operation::new(format!("{{ assetSources {{ {aliases} }} }}")),
        ),
        (
            "root_fields",
            21,
            Operation::new(format!("{{ {} }}", roots.replace("r0: ", ""))),
        ),
        (
            "directives",
            6,
            Operation::new(format!(
                "{{ __typename {} }}",
                repeat("@include(if: true) ", 6)
            )),
        ),
        ("operations", 11, Operation::new(operations)),
        ("list_items", 2_001, many),
        (
            "introspection_lists",
            3,
            Operation::new(
                "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }",
            ),
        ),
        ("selections", 0, Operation::new(bomb)),
        (
            "cost",
            0,
            Operation::new(
                "{ assets(first: 100) { nodes { children(first: 100) { nodes { id } } } } }",
            ),
        ),
    ];
    for (name, value, operation) in &cases {
        for (entry_point, answer) in world.by_every_entry_point(operation).await {
            let (code, message) = error(&answer);
            assert_eq!(code, "LIMIT_EXCEEDED", "{entry_point}: {name}: {message}");
            let limit = &answer["errors"][0]["extensions"]["limit"];
            assert_eq!(limit["name"], *name, "{entry_point}");
            let (found, maximum) = (limit["value"].as_u64(), limit["maximum"].as_u64());
            assert!(
                found > maximum && maximum > Some(0),
                "{entry_point}: {limit}"
            );
            assert!(
                *value == 0 || found == Some(*value),
                "{entry_point}: {limit}"
            );
            for number in [found, maximum].into_iter().flatten() {
                assert!(
                    message.contains(&number.to_string()),
                    "{entry_point}: {message}"
                );
            }
            assert_eq!(
                answer.get("data").unwrap_or(&Value::Null),
                &Value::Null,
                "{entry_point}"
            );
        }
    }
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn values_within_every_limit_pass_every_entry_point() {
    let world = world().await;
    let aliases: String = (0..50).map(|n| format!("a{n}: name ")).collect();
    let roots: String = "__typename ".repeat(20);
    for query in [
        format!("{{ __typename #{}\n}}", "x".repeat(16_384 - 16)),
        format!("{{ assetSources {{ {aliases} }} }}"),
        format!("{{ {roots} }}"),
        format!("{{ __typename {} }}", "@include(if: true) @skip(if: false)"),
    ] {
        for (entry_point, answer) in world.by_every_entry_point(&Operation::new(query)).await {
            assert_eq!(answer.get("errors"), None, "{entry_point}: {answer}");
        }
    }
}

#[tokio::test]
async fn documents_of_september_2025_pass_every_entry_point_with_their_positions() {
    let world = world().await;
    let described = Operation {
        query: "\"\"\"What é does:\n{ \\\"\"\" $x }\"\"\" query Q(\"the ids\" $ids: [ ID ! ] !, \"s\" $s: Boolean \
                ! = true) { nodes(ids: $ids) { id ... F } }\n\"é\" fragment F on\nNode { id @include(if: $s)                 }"
            .to_owned(),
        variables: json!({ "ids": ["\u{1F600}"] }),
    };
    for (entry_point, answer) in world.by_every_entry_point(&described).await {
        assert_eq!(answer["data"], json!({ "nodes": [null] }), "{entry_point}");
    }
    let search = |text: &str| {
        let filter = format!("filter: {{nameContains: \"{text}\", providers: [COMFY]}}");
        Operation::new(format!("{{ assets({filter}) {{ nodes {{ id }} }} }}"))
    };
    for escaped in [r"\u{1F600}", r"\uD83D\uDE00"] {
        for (entry_point, answer) in world.by_every_entry_point(&search(escaped)).await {
            assert_eq!(
                answer["data"]["assets"]["nodes"],
                json!([]),
                "{entry_point}"
            );
        }
    }
    for (text, code, line, column) in [
        ("\"é\" query { nope }", "GRAPHQL_VALIDATION_FAILED", 1, 13),
        (
            "\"\"\"a\nb\"\"\" query { nope }",
            "GRAPHQL_VALIDATION_FAILED",
            2,
            14,
        ),
        (
            "query \"a\" query { __typename }",
            "GRAPHQL_PARSE_FAILED",
            1,
            7,
        ),
        (
            "\"é狐\" query { asset(id: \"bad\") { name } }",
            "BAD_USER_INPUT",
            1,
            14,
        ),
        ("\"a\" { __typename }", "GRAPHQL_PARSE_FAILED", 1, 1),
        ("\"\\q\" query { __typename }", "GRAPHQL_PARSE_FAILED", 1, 1),
        ("{ __typename } \"a\"", "GRAPHQL_PARSE_FAILED", 1, 16),
    ] {
        for (entry_point, answer) in world.by_every_entry_point(&Operation::new(text)).await {
            assert_eq!(error(&answer).0, code, "{entry_point}: {text}: {answer}");
            let location = &answer["errors"][0]["locations"][0];
            assert_eq!(
                *location,
                json!({ "line": line, "column": column }),
                "{entry_point}: {text}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn every_limit_can_be_set() {
    let lower = "[limits]\ntokens = 20\ndepth = 4\naliases = 1\nroot_fields = 2\ndirectives = 1\n\
                 operations = 1\nlist_items = 2\nids = 1\nbulk_delete_ids = 1\nbatch = 1\ncost = 30\n\
                 query_bytes = 200\nnesting = 5\nbody_bytes = 400\n";
    let world = world_of(lower).await;
    for query in [
        "{ assetSources { a: name b: name } }",
        "{ a: __typename b: __typename c: __typename }",
        "{ __typename @skip(if: false) @include(if: true) }",
        "query A { __typename } query B { __typename }",
        "{ nodes(ids: [\"a\", \"b\", \"c\"]) { id } }",
        "{ assets { nodes { id } } }",
        "{ a { a { a { a { a } } } } }",
        "{ a { a { a { a { a { a { a } } } } } } }",
    ] {
        let answer = world.ask(query).await;
        assert_eq!(error(&answer).0, "LIMIT_EXCEEDED", "{query}: {answer}");
    }
    let answer = world.ask("{ nodes(ids: [\"a\", \"b\"]) { id } }").await;
    assert!(
        error(&answer).1.contains("1 is the most at once"),
        "{answer}"
    );
    let answer = world
        .ask("{ scenarioAssets(first: 20) { nodes { id } } }")
        .await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    let batch = json!([{ "query": "{__typename}" }, { "query": "{__typename}" }]).to_string();
    assert_eq!(world.post(&batch).await.status(), 400);
    let large = world
        .post(
            &json!({ "query": "{__typename}", "extensions": { "x": "y".repeat(400) } }).to_string(),
        )
        .await;
    assert_eq!(large.status(), 413);
}

#[tokio::test]
async fn a_batch_keeps_its_order_and_shares_one_cost_limit() {
    let world = world().await;
    let batch = |queries: &[&str]| {
        let items: Vec<Value> = queries
            .iter()
            .map(|query| json!({ "query": query }))
            .collect();
        json!(items).to_string()
    };
    let queries = [
        "{ assetSources { name } }",
        "{ nope }",
        "{ assets(first: 2) { nodes { id } } }",
    ];
    let answer = read(world.post(&batch(&queries)).await).await;
    let items = answer.as_array().expect("a list");
    assert_eq!(items.len(), 3);
    assert_eq!(
        items[0]["data"]["assetSources"].as_array().map(Vec::len),
        Some(3)
    );
    assert_eq!(error(&items[1]).0, "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(
        items[2]["data"]["assets"]["nodes"].as_array().map(Vec::len),
        Some(2)
    );
    // The cost limit applies to the batch as a whole.
    let heavy = "{ assets(first: 100) { nodes { children(first: 20) { nodes { id } } } } }";
    assert_eq!(world.ask(heavy).await.get("errors"), None);
    world.forget_calls();
    let answer = read(world.post(&batch(&[heavy; 3])).await).await;
    assert_eq!(error(&answer).0, "LIMIT_EXCEEDED");
    assert_eq!(world.calls(), [0, 0, 0]);
    // Too many operations, none, and values that are not operations.
    for (body, code) in [
        (batch(&["{ __typename }"; 9]), "LIMIT_EXCEEDED"),
        ("[]".to_owned(), "BAD_USER_INPUT"),
        ("[7]".to_owned(), "BAD_USER_INPUT"),
        ("[[]]".to_owned(), "BAD_USER_INPUT"),
        (
            "[[\"{__typename}\", null, null, null]]".to_owned(),
            "BAD_USER_INPUT",
        ),
        ("[{\"query\":\"{__typename}\"}".to_owned(), "BAD_USER_INPUT"),
    ] {
        let response = world.post(&body).await;
        assert_eq!(response.status(), 400, "{body}");
        assert_eq!(error(&read(response).await).0, code, "{body}");
    }
    let answer = read(world.post(&batch(&["{ __typename }"; 8])).await).await;
    assert_eq!(answer.as_array().map(Vec::len), Some(8));
    let answer = read(world.post("[{\"query\":\"{__typename}\"},{}]").await).await;
    assert_eq!(error(&answer[1]).0, "BAD_USER_INPUT");
}

#[tokio::test]
async fn mutations_of_a_batch_run_in_sequence() {
    let world = world().await;
    let id = asset_id("comfy", &world.sandbox.store.comfy()[0].id.clone());
    let note = |text: &str| json!({ "query": format!("mutation {{ setAssetNote(input: {{assetId: \"{id}\", note: \"{text}\"}}) {{ asset {{ note }} }} }}") });
    let batch = json!([note("one"), note("two"), note("three")]).to_string();
    let answer = read(world.post(&batch).await).await;
    for (index, text) in ["one", "two", "three"].into_iter().enumerate() {
        assert_eq!(
            answer[index]["data"]["setAssetNote"]["asset"]["note"], text,
            "{answer}"
        );
    }
}

/// A selection of every field below a type; of other assets, `id` and `name` only.
fn everything(schema: &Value, name: &str) -> String {
    let types = schema["types"].as_array().expect("types");
    let of = |name: &str| {
        types
            .iter()
            .find(|definition| definition["name"] == name)
            .expect("a type")
    };
    let base = |field: &Value| {
        let mut of = &field["type"];
        while of["name"].is_null() {
            of = &of["ofType"];
        }
        of["name"].as_str().expect("a name").to_owned()
    };
    let definition = of(name);
    if let Some(members) = definition["possibleTypes"].as_array() {
        let members = members.iter().map(|member| {
            let name = member["name"].as_str().expect("a name");
            format!("... on {name} {{ {} }}", everything(schema, name))
        });
        return members.collect::<Vec<_>>().join(" ");
    }
    let fields = definition["fields"].as_array().expect("fields");
    let fields = fields.iter().map(|field| {
        let (name, of_type) = (field["name"].as_str().expect("a name"), base(field));
        match of_type.as_str() {
            "Asset" => format!("{name} {{ id name }}"),
            // Would select the whole list again.
            "AssetConnection" if name == "assets" => String::new(),
            "AssetConnection" => format!("{name} {{ nodes {{ id name }} }}"),
            other if of(other)["fields"].is_array() || of(other)["possibleTypes"].is_array() => {
                format!("{name} {{ {} }}", everything(schema, other))
            }
            _ => name.to_owned(),
        }
    });
    fields.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_page_of_a_hundred_with_every_field_passes() {
    let world = world().await;
    let introspection = include_str!("../corpus/introspection.graphql");
    let schema = world.data(introspection).await["__schema"].clone();
    let asset = everything(&schema, "Asset");
    assert!(
        asset.contains("embedding") && asset.contains("qualityGate"),
        "{asset}"
    );
    let query = format!(
        "{{ assets(first: 100) {{ edges {{ cursor node {{ {asset} }} }} pageInfo {{ hasNextPage endCursor }} totalCount }} }}"
    );
    let answer = world.ask(&query).await;
    let refused = answer["errors"].as_array().is_some_and(|errors| {
        errors
            .iter()
            .any(|error| error["extensions"]["code"] == "LIMIT_EXCEEDED")
    });
    assert!(!refused, "{} letters: {}", query.len(), answer["errors"]);
    assert_eq!(
        answer["data"]["assets"]["edges"].as_array().map(Vec::len),
        Some(100)
    );
}

#[tokio::test]
async fn amplifying_requests_are_refused() {
    let world = world().await;
    let id = asset_id("comfy", &world.sandbox.store.comfy()[0].id.clone());
    let representation = json!({ "__typename": "Asset", "id": id });
    let upstreams: String = (1..50).map(|n| format!("a{n}: raw ")).collect();
    let entities = Operation {
        query: format!(
            "query($r: [_Any!]!) {{ _entities(representations: $r) {{ ... on Asset {{ {upstreams} }} }} }}"
        ),
        variables: json!({ "r": vec![representation; 500] }),
    };
    let schemas: String = (0..20)
        .map(|n| format!("s{n}: __schema {{ types {{ name }} }} "))
        .collect();
    let schemas = Operation::new(format!("{{ {schemas} x: assets(first: 100) {{ nodes {{ children(first: 10) {{ nodes {{ id }} }} }} }} }}").replacen("s0: __schema { types { name } } ", "", 1));
    let uses: String = (0..40)
        .map(|n| format!("t{n}: thumbnailUrl(size: $v) "))
        .collect();
    let copied = Operation {
        query: format!("query($v: AssetThumbnailSize!) {{ asset(id: \"{id}\") {{ {uses} }} }}"),
        variables: json!({ "v": vec![vec![0; 1_000]; 10] }),
    };
    // No operation uses this fragment, but it is validated all the same.
    let deep = format!(
        "{{ __typename }} fragment f on Asset {{ {}id{} }}",
        "parent { ".repeat(25),
        " }".repeat(25)
    );
    for operation in [entities, schemas, copied, Operation::new(deep)] {
        for (entry_point, answer) in world.by_every_entry_point(&operation).await {
            if entry_point == "GET" && answer.to_string().contains("414") {
                continue;
            }
            assert_eq!(
                error(&answer).0,
                "LIMIT_EXCEEDED",
                "{entry_point}: {answer}"
            );
        }
    }
    // A batch of 300,001 operations.
    let body = format!("[{}{{}}]", "{},".repeat(300_000));
    assert_eq!(
        error(&read(world.post(&body).await).await).0,
        "LIMIT_EXCEEDED"
    );
}

#[tokio::test]
async fn silent_connections_are_closed() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let world = world_of("[limits]\nidle_seconds = 0.3\n").await;
    // Nothing; half of the HTTP/2 preface; half of a head; a socket without its first message.
    let upgrade = format!(
        "GET /graphql/ws HTTP/1.1\r\nhost: {}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         sec-websocket-protocol: graphql-transport-ws\r\n\r\n",
        world.address
    );
    for beginning in [
        "",
        "PRI * HTTP/2.0",
        "POST /graphql HTTP/1.1\r\nhost: loc",
        &upgrade,
    ] {
        let mut stream = tokio::net::TcpStream::connect(world.address)
            .await
            .expect("a connection");
        stream.write_all(beginning.as_bytes()).await.expect("sent");
        let mut received = Vec::new();
        let reading = stream.read_to_end(&mut received);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), reading).await;
        // A reset is an end, too.
        assert!(ended.is_ok(), "{beginning:?} is still waited for");
    }
    assert_eq!(world.ask("{ __typename }").await.get("errors"), None);
}

#[tokio::test]
async fn concurrent_operations_of_a_socket_are_limited() {
    let world = world_of("[limits]\nsocket_operations = 2\n").await;
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(0));
    let hold = asset_gateway::sandbox::Fault::Hold(std::sync::Arc::clone(&gate));
    world.sandbox.piktid.faults.add("GET /", hold);
    let opened = open_socket(world.address, "graphql-transport-ws", None).await;
    let mut socket = opened.expect("a socket");
    begin(&mut socket, &Value::Null).await.expect("a message");
    for number in 1..=3 {
        let query = format!("{{ piktidAssets(first: {number}) {{ nodes {{ id }} }} }}");
        let message =
            json!({ "type": "subscribe", "id": number.to_string(), "payload": { "query": query } });
        socket
            .send(Message::text(message.to_string()))
            .await
            .expect("sent");
    }
    let mut ends = Vec::new();
    while ends.len() < 3 {
        let message = socket.next().await.expect("a message").expect("a frame");
        let Message::Text(text) = message else {
            continue;
        };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        if message["type"] == "next" || message["type"] == "error" {
            ends.push(message);
            // Lets the other two operations finish.
            gate.add_permits(10);
        }
    }
    assert!(
        ends[0].to_string().contains("LIMIT_EXCEEDED"),
        "one of the three is refused at once: {}",
        ends[0]
    );
    for end in &ends[1..] {
        assert!(
            end["payload"]["data"]["piktidAssets"]["nodes"].is_array(),
            "{end}"
        );
    }
}
