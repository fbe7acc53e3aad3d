//! Documents and variables as the specification requires (GraphQL, September 2025, 5 and 6).

use serde_json::{Value, json};

use crate::harness::{error, texts, world, world_of};

/// Invalid documents, and a part of their first error message.
const INVALID: [(&str, &str); 37] = [
    ("{ nope }", "Cannot query field"),
    ("{ assetSources { nam } }", "Did you mean \"name\"?"),
    ("{ assetSources }", "must have a selection"),
    (
        "{ assetSources { name { x } } }",
        "must not have a selection",
    ),
    (
        "{ a: assetSource(name: \"x\") { id } a: assetSource(name: \"y\") { id } }",
        "conflict",
    ),
    ("{ assetSources { a: name a: id } }", "conflict"),
    ("{ __typename @skp(if: true) }", "Unknown directive"),
    ("{ assetSources @skip { name } }", "is required"),
    (
        "query @include(if: true) { __typename }",
        "may not be used on",
    ),
    (
        "{ __typename @skip(if: true) @skip(if: true) }",
        "can only be used once",
    ),
    ("{ asset { id } }", "is required"),
    ("{ asset(id: \"x\", nope: 1) { id } }", "Unknown argument"),
    (
        "{ asset(id: \"x\", id: \"y\") { id } }",
        "only one argument",
    ),
    (
        "query($i: ID) { asset(id: $i) { id } }",
        "used in position expecting type",
    ),
    ("query($i: ID!) { asset(id: \"x\") { id } }", "never used"),
    ("{ asset(id: $i) { id } }", "is not defined"),
    ("query($i: Nope!) { asset(id: $i) { id } }", "Unknown type"),
    ("query($i: Asset) { asset(id: $i) { id } }", "input type"),
    (
        "{ ...F } fragment F on AssetSource { name }",
        "can never be of type",
    ),
    (
        "{ __typename } fragment F on AssetSource { name }",
        "never used",
    ),
    ("{ ...F }", "Unknown fragment"),
    (
        "mutation { uploadAsset(input: {source: \"comfy\", options: {scenario: {}, comfy: {}}}) { created } }",
        "Exactly one key",
    ),
    (
        "mutation { uploadAsset(input: {source: \"comfy\", options: {scenario: null}}) { created } }",
        "Exactly one key",
    ),
    (
        "mutation($s: ScenarioUploadInput) { uploadAsset(input: {source: \"comfy\", options: {scenario: $s}}) { created } }",
        "Exactly one key",
    ),
    (
        "{ assets(first: \"ten\") { nodes { id } } }",
        "Int cannot represent",
    ),
    // Variables inside lists and input objects.
    (
        "query($v: [[String]]) { assets(filter: {nameContains: $v}) { nodes { id } } }",
        "of type \"[[String]]\" used in position expecting type \"String\"",
    ),
    (
        "query($s: String) { assets(first: 1, filter: {sources: [$s]}) { nodes { id } } assetSources { name } }",
        "of type \"String\" used in position expecting type \"String!\"",
    ),
    (
        "query($s: [String]) { assets(filter: {sources: $s}) { nodes { id } } }",
        "used in position expecting type \"[String!]\"",
    ),
    (
        "query($t: String!) { assets(filter: {tagsAll: $t}) { nodes { id } } }",
        "used in position expecting type \"[String!]\"",
    ),
    (
        "query($v: Boolean = null) { assetSources { name @include(if: $v) } }",
        "used in position expecting type \"Boolean!\"",
    ),
    (
        "mutation($i: [ID]!) { bulkDeleteAssets(input: {assetIds: $i}) { deletedIds } }",
        "used in position expecting type \"[ID!]!\"",
    ),
    // Values that the engine cannot convert to a number of bytes.
    (
        "mutation { uploadAsset(input: {source: \"comfy\", base64: \"aGk=\", byteLength: -5}) { created } }",
        "must be an integer from 0 to 2^53",
    ),
    (
        "mutation { uploadAsset(input: {source: \"comfy\", base64: \"aGk=\", byteLength: 9007199254740992}) { created } }",
        "must be an integer from 0 to 2^53",
    ),
    (
        "mutation { uploadAsset(input: {source: \"comfy\", base64: \"aGk=\", byteLength: 1.5}) { created } }",
        "must be an integer from 0 to 2^53",
    ),
    (
        "mutation { uploadAsset(input: {source: \"comfy\", base64: \"aGk=\", byteLength: \"5\"}) { created } }",
        "must be an integer from 0 to 2^53",
    ),
    (
        "mutation { uploadAsset(input: {source: \"comfy\", base64: \"aGk=\", byteLength: true}) { created } }",
        "must be an integer from 0 to 2^53",
    ),
    (
        "mutation { uploadAsset(input: {source: \"comfy\", base64: \"aGk=\", byteLength: [5]}) { created } }",
        "must be an integer from 0 to 2^53",
    ),
];

#[tokio::test]
async fn invalid_documents_are_refused_before_execution() {
    let world = world().await;
    for (document, says) in INVALID {
        let answer = world.ask(document).await;
        assert_eq!(answer.get("data"), None, "{document}: {answer}");
        let first = &answer["errors"][0];
        assert_eq!(
            first["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED",
            "{document}"
        );
        let message = first["message"].as_str().unwrap_or_default();
        assert!(message.contains(says), "{document}: {message}");
        assert!(
            first["locations"][0]["line"].is_u64(),
            "{document}: {answer}"
        );
    }
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn valid_documents_are_answered() {
    let world = world().await;
    for document in [
        // A variable that only a condition uses.
        "query($x: Boolean = true) { __typename @include(if: $x) assetSources { name } }",
        "query($n: Int = 3) { assets(first: $n) { nodes { id } } }",
        // `isOneOf` is newer than the validator.
        "{ __type(name: \"UploadOptionsInput\") { isOneOf } }",
        "{ assetSources { name } ... @include(if: false) { assets { nodes { id } } } }",
        "{ assets(first: 1) { nodes { details { __typename ... on PiktidDetails { filename } } } } }",
        "query($s: [String!]) { assets(first: 1, filter: {sources: $s}) { nodes { id } } }",
        "query($s: String! = \"comfy\") { assets(first: 1, filter: {sources: [$s]}) { nodes { id } } }",
        "query($s: AssetThumbnailSize) { assets(first: 1) { nodes { thumbnailUrl(size: $s) } } }",
    ] {
        world.data(document).await;
    }
}

#[tokio::test]
async fn several_errors_are_reported_at_once_up_to_a_limit() {
    let world = world().await;
    let answer = world.ask("{ one two assetSources { three } }").await;
    let count = answer["errors"].as_array().map(Vec::len);
    assert_eq!(count, Some(3), "{answer}");
    let many: String = (0..18).map(|n| format!("nope{n} ")).collect();
    let answer = world.ask(&format!("{{ {many} }}")).await;
    let errors = answer["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), 10);
    assert_eq!(errors[9]["message"], "9 more errors are not shown");
}

#[tokio::test]
async fn variables_must_match_their_declarations() {
    let world = world().await;
    let by_id = "query($id: ID!) { asset(id: $id) { id } }";
    let upload = "mutation($i: UploadAssetInput!) { uploadAsset(input: $i) { created } }";
    let page = "query($n: Int, $f: AssetFilter) { assets(first: $n, filter: $f) { nodes { id } } }";
    for (document, variables) in [
        (by_id, json!({})),
        (by_id, json!({ "id": null })),
        (by_id, json!({ "id": true })),
        (page, json!({ "n": "ten" })),
        (page, json!({ "n": 2_147_483_648_u64 })),
        (page, json!({ "f": 7 })),
        (page, json!({ "f": { "nope": 1 } })),
        (page, json!({ "f": { "kinds": ["NOPE"] } })),
        (upload, json!({ "i": { "source": "comfy", "options": {} } })),
        (
            upload,
            json!({ "i": { "source": "comfy", "options": { "scenario": {}, "comfy": null } } }),
        ),
        (
            upload,
            json!({ "i": { "source": "comfy", "byteLength": -5 } }),
        ),
        (
            upload,
            json!({ "i": { "source": "comfy", "byteLength": "5" } }),
        ),
        (
            upload,
            json!({ "i": { "source": "comfy", "byteLength": 1_u64 << 53 } }),
        ),
        (
            "query($s: AssetThumbnailSize) { assets(first: 1) { nodes { thumbnailUrl(size: $s) } } }",
            json!({ "s": null }),
        ),
    ] {
        let answer = world.ask_with(document, variables.clone()).await;
        assert_eq!(answer.get("data"), None, "{variables}: {answer}");
        assert_eq!(error(&answer).0, "BAD_USER_INPUT", "{variables}");
    }
    assert_eq!(world.calls(), [0, 0, 0]);
    // A single value counts as a list of one; undeclared variables are ignored.
    let fits = json!({ "f": { "kinds": "IMAGE" }, "other": 1 });
    let answer = world.ask_with(page, fits).await;
    assert_eq!(answer.get("errors"), None, "{answer}");
}

#[tokio::test]
async fn a_null_is_refused_by_the_operation_that_cannot_use_it() {
    let world = world().await;
    let document = "query A($s: AssetThumbnailSize) { assets(first: 1) { nodes { thumbnailUrl(size: $s) } } } \
                    query B($s: String) { __type(name: \"Asset\") { name } \
                    assets(first: 1, filter: {nameContains: $s}) { nodes { id } } }";
    for (operation, is_refused) in [("A", true), ("B", false)] {
        let body =
            json!({ "query": document, "operationName": operation, "variables": { "s": null } });
        let text = world.post(&body.to_string()).await.text().await;
        let answer: Value = serde_json::from_str(&text.expect("a body")).expect("JSON");
        assert_eq!(answer.get("errors").is_some(), is_refused, "{answer}");
    }
}

#[tokio::test]
async fn an_invalid_argument_stops_earlier_fields_too() {
    let world = world().await;
    let id = &ids(&world, "comfy", 1).await[0];
    let deleting = format!("a: deleteAsset(input: {{ assetId: \"{id}\" }}) {{ deletedId }}");
    let length = |length: &str| {
        format!(
            "b: uploadAsset(input: {{ source: \"comfy\", base64: \"aGk=\", byteLength: {length} }}) {{ created }}"
        )
    };
    world.forget_calls();
    // Caches the document's shape, with a valid length.
    world.ask(&format!("mutation {{ {} }}", length("3"))).await;
    let calls = world.calls();
    for (document, variables) in [
        (
            format!("mutation {{ {deleting} {} }}", length("-5")),
            json!({}),
        ),
        (
            format!("mutation {{ {} {deleting} }}", length("-5")),
            json!({}),
        ),
        (
            format!("mutation($n: ByteSize) {{ {deleting} {} }}", length("$n")),
            json!({ "n": -5 }),
        ),
        (format!("mutation {{ {} }}", length("-5")), json!({})),
    ] {
        let answer = world.ask_with(&document, variables).await;
        assert_eq!(answer.get("data"), None, "{answer}");
        error(&answer);
    }
    assert_eq!(world.calls(), calls);
    world
        .data(&format!("{{ asset(id: \"{id}\") {{ name }} }}"))
        .await;
}

/// The ids of the first assets of a source.
async fn ids(world: &crate::harness::TestGateway, source: &str, count: usize) -> Vec<String> {
    let query = format!(
        "{{ assets(first: {count}, filter: {{ sources: [\"{source}\"] }}) {{ nodes {{ id }} }} }}"
    );
    texts(&world.data(&query).await["assets"]["nodes"], "/id")
}

#[tokio::test]
async fn a_field_that_occurs_twice_is_executed_once() {
    let world = world().await;
    let id = &ids(&world, "piktid", 1).await[0];
    let note = format!("n: setAssetNote(input: {{ assetId: \"{id}\", note: \"once\" }})");
    let twice = format!(
        "mutation($yes: Boolean!, $no: Boolean = false) {{
            {note} {{ asset {{ id }} }}
            ...F @include(if: $yes)
            {note} @skip(if: $no) {{ asset {{ note source {{ name }} }} }}
        }}
        fragment F on Mutation {{
            {note} {{ errors {{ message }} asset {{ tags source {{ provider }} }} }}
        }}"
    );
    world.forget_calls();
    let answer = world.ask_with(&twice, json!({ "yes": true })).await;
    let payload = &answer["data"]["n"];
    assert_eq!(payload["asset"]["note"], "once", "{answer}");
    assert_eq!(
        payload["asset"]["source"],
        json!({ "name": "piktid", "provider": "PIKTID" })
    );
    let recorder = &world.sandbox.piktid.recorder;
    let patches = recorder.count("PATCH");
    assert_eq!(patches, 1, "{patches}");
    // With both conditions off, one occurrence remains, with its selection alone.
    let answer = world
        .ask_with(&twice, json!({ "yes": false, "no": true }))
        .await;
    assert_eq!(
        answer["data"]["n"],
        json!({ "asset": { "id": id } }),
        "{answer}"
    );
}

#[tokio::test]
async fn fields_keep_the_order_of_the_document() {
    let world = world().await;
    let document = "{ b: assetSources { name id } ...F a: __typename b: assetSources { provider } } \
                    fragment F on Query { c: assetSources { id } a: __typename }";
    let body = json!({ "query": document }).to_string();
    let text = world.post(&body).await.text().await.expect("a body");
    let mut positions = [
        "\"b\":",
        "\"name\":",
        "\"id\":",
        "\"provider\":",
        "\"c\":",
        "\"a\":",
    ]
    .map(|word| {
        text.find(word)
            .unwrap_or_else(|| panic!("no {word} in {text}"))
    });
    let order = positions;
    positions.sort_unstable();
    assert_eq!(order, positions, "{text}");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(
        answer["data"]["b"][0].as_object().map(serde_json::Map::len),
        Some(3)
    );
}

#[tokio::test]
async fn fields_of_an_interface_and_of_its_objects_keep_their_order() {
    let world = world().await;
    let id = &ids(&world, "comfy", 1).await[0];
    let node = format!(
        "{{ node(id: \"{id}\") {{ ... on Asset {{ name }} id ... on Asset {{ kind ...D }} ... on AssetSource \
         {{ id }} ... on Node {{ __typename ... on Asset {{ name tags }} }} }} }} \
         fragment D on Asset {{ details {{ ... on ComfyDetails {{ hash }} __typename ... on ComfyDetails {{ jobId }} }} }}"
    );
    let body = json!({ "query": node }).to_string();
    let text = world.post(&body).await.text().await.expect("a body");
    let order = [
        "\"name\":",
        "\"id\":",
        "\"kind\":",
        "\"details\":",
        "\"hash\":",
        "\"ComfyDetails\"",
        "\"jobId\":",
        "\"Asset\"",
        "\"tags\":",
    ]
    .map(|word| {
        text.find(word)
            .unwrap_or_else(|| panic!("no {word} in {text}"))
    });
    assert!(order.is_sorted(), "{text}");
}

#[tokio::test]
async fn a_fault_of_a_variable_says_where_and_what() {
    let world = world().await;
    let filter = "query($f: AssetFilter!) { assets(filter: $f) { nodes { id } } }";
    let upload = "mutation($i: UploadAssetInput!) { uploadAsset(input: $i) { created } }";
    for (document, variables, message, field) in [
        (
            filter,
            json!({ "f": { "kinds": ["PICTURE"] } }),
            "Variable \"$f\" got invalid value \"PICTURE\" at \"f.kinds[0]\"; Value \"PICTURE\" does not exist in \"AssetKind\" enum.",
            json!(["f", "kinds", "0"]),
        ),
        (
            filter,
            json!({ "f": { "kinds": "IMAG" } }),
            "Variable \"$f\" got invalid value \"IMAG\" at \"f.kinds\"; Value \"IMAG\" does not exist in \"AssetKind\" enum. Did you mean the enum value \"IMAGE\"?",
            json!(["f", "kinds"]),
        ),
        (
            filter,
            json!({ "f": { "kind": "IMAGE" } }),
            "Variable \"$f\" got invalid value {…}; Field \"kind\" is not defined by type \"AssetFilter\". Did you mean \"kinds\"?",
            json!(["f"]),
        ),
        (
            filter,
            json!({}),
            "Variable \"$f\" of required type \"AssetFilter!\" was not provided.",
            json!(["f"]),
        ),
        (
            filter,
            json!({ "f": null }),
            "Variable \"$f\" of non-null type \"AssetFilter!\" must not be null.",
            json!(["f"]),
        ),
        (
            filter,
            json!({ "f": { "tagsAll": ["a", null] } }),
            "Variable \"$f\" got invalid value null at \"f.tagsAll[1]\"; Expected non-nullable type \"String!\" not to be null.",
            json!(["f", "tagsAll", "1"]),
        ),
        (
            filter,
            json!({ "f": "fox" }),
            "Variable \"$f\" got invalid value \"…\"; Expected type \"AssetFilter\" to be an object.",
            json!(["f"]),
        ),
        (
            "query($n: Int) { assets(first: $n) { nodes { id } } }",
            json!({ "n": 2_147_483_648_u64 }),
            "Variable \"$n\" got invalid value 2147483648; Int cannot represent non 32-bit signed integer value: 2147483648",
            json!(["n"]),
        ),
        (
            upload,
            json!({ "i": { "name": 7, "source": "comfy" } }),
            "Variable \"$i\" got invalid value 7 at \"i.name\"; String cannot represent a non string value: 7",
            json!(["i", "name"]),
        ),
        (
            upload,
            json!({ "i": { "source": "comfy", "options": { "comfy": {}, "scenario": {} } } }),
            "Variable \"$i\" got invalid value {…} at \"i.options\"; Exactly one key must be specified for OneOf type \"AssetUploadOptionsInput\", and not null.",
            json!(["i", "options"]),
        ),
    ] {
        let answer = world.ask_with(document, variables).await;
        let fault = &answer["errors"][0];
        assert_eq!(fault["message"], message);
        assert_eq!(fault["extensions"]["code"], "BAD_USER_INPUT");
        assert_eq!(fault["extensions"]["field"], field, "{answer}");
        assert_eq!(fault["locations"][0]["line"], 1, "{answer}");
    }
    // Each fault is listed.
    let several = json!({ "f": { "kinds": [1, "X"], "createdBy": 2, "nope": 3 } });
    let answer = world.ask_with(filter, several).await;
    assert_eq!(
        answer["errors"].as_array().map(Vec::len),
        Some(4),
        "{answer}"
    );
    assert_eq!(world.calls(), [0, 0, 0]);
}

#[tokio::test]
async fn a_gateway_without_introspection_suggests_no_names_unless_asked_to() {
    for (toml, suggests) in [
        ("introspection = false\n", false),
        ("introspection = false\nsuggestions = true\n", true),
        ("suggestions = false\n", false),
        ("", true),
    ] {
        let world = world_of(toml).await;
        let misspelt = world.ask("{ asets { nodes { id } } }").await;
        let kind = "query($k: AssetKind!) { assets(filter: {kinds: [$k]}) { nodes { id } } }";
        let value = world.ask_with(kind, json!({ "k": "IMAG" })).await;
        for answer in [misspelt, value] {
            assert_eq!(
                error(&answer).1.contains("Did you mean"),
                suggests,
                "{answer}"
            );
        }
    }
}

#[tokio::test]
async fn refusals_do_not_repeat_the_input() {
    let world = world().await;
    let long = "S".repeat(12_000);
    let field = world.ask(&format!("{{ {long} }}")).await;
    let number = "query($n: Int) { assets(first: $n) { nodes { id } } }";
    let variable = world.ask_with(number, json!({ "n": long })).await;
    for answer in [field, variable] {
        let message = error(&answer).1;
        assert!(message.len() < 400, "{message}");
    }
    let secret = world.ask_with(number, json!({ "n": "hunter2" })).await;
    assert!(!secret.to_string().contains("hunter2"), "{secret}");
}

#[tokio::test]
async fn a_null_condition_is_refused() {
    let world = world().await;
    let document = "query($v: Boolean = true) { __typename @include(if: $v) }";
    let answer = world.ask_with(document, json!({ "v": null })).await;
    assert_eq!(error(&answer).0, "BAD_USER_INPUT");
}

#[tokio::test]
async fn values_inside_json_have_no_types() {
    let world = world().await;
    let list = |value: &str| {
        format!(
            "query($v: String) {{ comfyAssets(filter: {{metadataFilter: [{{key: \"a\", anyOf: [{value}]}}]}}) \
             {{ nodes {{ id }} }} }}"
        )
    };
    let answer = world
        .ask_with(&list("{x: [$v]}"), json!({ "v": "b" }))
        .await;
    assert_ne!(error_code(&answer), "GRAPHQL_VALIDATION_FAILED", "{answer}");
    for wrong in ["{a: 1e999, b: $v}", "{a: {b: 1, b: $v}}"] {
        let answer = world.ask_with(&list(wrong), json!({})).await;
        assert_eq!(error_code(&answer), "GRAPHQL_VALIDATION_FAILED", "{answer}");
    }
}

fn error_code(answer: &Value) -> &str {
    let code = answer["errors"][0]["extensions"]["code"].as_str();
    code.unwrap_or_default()
}

#[tokio::test]
async fn an_interface_has_a_list_of_interfaces() {
    let world = world().await;
    let data = world
        .data(
            "{ node: __type(name: \"Node\") { kind interfaces { name } again: interfaces { kind } __kind_of_a: kind } \
             asset: __type(name: \"Asset\") { interfaces { name interfaces { name } } } \
             kind: __type(name: \"AssetKind\") { interfaces { name } } }",
        )
        .await;
    assert_eq!(
        data,
        json!({
            "node": { "kind": "INTERFACE", "interfaces": [], "again": [], "__kind_of_a": "INTERFACE" },
            "asset": { "interfaces": [{ "name": "Node", "interfaces": [] }] },
            "kind": { "interfaces": null },
        })
    );
}
