//! The fields of an asset, for each provider.

use serde_json::{Value, json};

use crate::harness::{TestGateway, asset_id, texts, world};

async fn asset(world: &TestGateway, id: &str, fields: &str) -> Value {
    world
        .data(&format!("{{ asset(id: \"{id}\") {{ {fields} }} }}"))
        .await["asset"]
        .clone()
}

#[tokio::test]
async fn a_scenario_asset_shows_what_scenario_sent() {
    let world = world().await;
    let sent = world.sandbox.store.scenario()[0].clone();
    let shown = asset(
        &world,
        &asset_id("scenario", &sent.id),
        "id provider upstreamId name kind mimeType size width height createdAt updatedAt status visibility
         createdBy tags note url urlExpiresAt thumbnailUrl large: thumbnailUrl(size: LARGE) viewerCanDelete
         source { name } parent { upstreamId } root { upstreamId } preview { id }
         details { ... on ScenarioDetails { authorId ownerId collectionIds editCapabilities source privacy status
           metadata { type prompt seed guidance modelId parentJobId width }
           properties { size width height } } }",
    )
    .await;
    assert_eq!(shown["provider"], "SCENARIO");
    assert_eq!(shown["upstreamId"], json!(sent.id));
    assert_eq!(shown["name"], "harbour at dawn");
    assert_eq!(shown["kind"], "IMAGE");
    assert_eq!(shown["mimeType"], "image/png");
    assert_eq!(shown["createdAt"], "2026-11-01T12:00:00.000Z");
    assert_eq!(shown["visibility"], "PRIVATE");
    assert_eq!(shown["createdBy"], "u5e1f");
    assert_eq!(shown["tags"], json!(["concept", "harbour"]));
    assert_eq!(shown["note"], "Chosen for the harbour set.");
    assert_eq!(shown["viewerCanDelete"], Value::Null);
    assert_eq!(shown["parent"]["upstreamId"], json!(sent.parent));
    assert!(shown["urlExpiresAt"].is_string());
    let details = &shown["details"];
    assert_eq!(details["collectionIds"], json!(["col_favourites"]));
    assert_eq!(details["metadata"]["type"], "inference-txt2img");
    assert_eq!(
        details["metadata"]["seed"], "9007199254740993",
        "all digits of a 64-bit seed"
    );
    assert_eq!(details["metadata"]["guidance"], 3.5);
    assert_eq!(details["properties"]["width"], 384.0);
    assert_eq!(shown["width"], 384);
}

#[tokio::test]
async fn a_seed_sent_as_a_number_keeps_its_digits() {
    let world = world().await;
    let sent = world
        .sandbox
        .store
        .scenario()
        .iter()
        .find(|a| a.metadata.get("seed").is_some_and(Value::is_u64) && a.owner_id == "proj_sandbox")
        .cloned();
    let Some(sent) = sent else {
        return assert!(
            world
                .sandbox
                .store
                .scenario()
                .iter()
                .all(|a| a.metadata.get("seed").is_none_or(Value::is_string)),
            "seeded so"
        );
    };
    let shown = asset(
        &world,
        &asset_id("scenario", &sent.id),
        "details { ... on ScenarioDetails { metadata { seed } } }",
    )
    .await;
    assert_eq!(
        shown["details"]["metadata"]["seed"],
        json!(sent.metadata["seed"].to_string())
    );
}

#[tokio::test]
async fn every_detail_of_scenarios_contract_is_typed() {
    let world = world().await;
    let introspected = world
        .data(
            "{ metadata: __type(name: \"ScenarioMetadata\") { fields { name } }
                 properties: __type(name: \"ScenarioProperties\") { fields { name } } }",
        )
        .await;
    let metadata = texts(&introspected["metadata"]["fields"], "/name");
    let properties = texts(&introspected["properties"]["fields"], "/name");
    assert_eq!((metadata.len(), properties.len()), (111, 29));
    // The seed document's own example has a value for each; the gateway must return all of them.
    let example = include_str!("../corpus/scenario-asset.json");
    let mut example: Value = serde_json::from_str(example).unwrap_or_default();
    let id = "asset_example";
    example["id"] = json!(id);
    example["createdAt"] = json!("2026-01-01T00:00:00.000Z");
    example["updatedAt"] = json!("2026-01-01T00:00:00.000Z");
    let mut row = world.sandbox.store.scenario()[0].clone();
    row.id = id.to_owned();
    for (name, value) in example.as_object().cloned().unwrap_or_default() {
        row.overrides
            .insert(name, asset_gateway::sandbox::json(&value.to_string()));
    }
    world.sandbox.store.scenario().push(row);
    let metadata_names: Vec<String> = example["metadata"]
        .as_object()
        .map(|m| m.keys().cloned().collect())
        .unwrap_or_default();
    for name in &metadata_names {
        assert!(metadata.contains(name), "metadata.{name} has no field");
    }
    let objects = ["concepts", "contours", "thumbnail"];
    let scalars: Vec<&String> = metadata_names
        .iter()
        .filter(|n| !objects.contains(&n.as_str()))
        .collect();
    let plain: Vec<String> = example["properties"]
        .as_object()
        .map(|m| {
            m.keys()
                .filter(|n| *n != "transcription")
                .cloned()
                .collect()
        })
        .unwrap_or_default();
    let shown = asset(
        &world,
        &asset_id("scenario", id),
        &format!(
            "details {{ ... on ScenarioDetails {{ metadata {{ {} concepts {{ modelId scale modelEpoch }} contours {{ rings {{ points }} }} thumbnail {{ upstreamId url }} }}
             properties {{ {} transcription }} automaticCaptioning description firstFrame {{ upstreamId }} isHidden nsfw originalFileUrl outputIndex }} }}",
            scalars.iter().map(|s| s.as_str()).collect::<Vec<_>>().join(" "),
            plain.join(" ")
        ),
    )
    .await;
    let details = &shown["details"];
    for name in scalars {
        assert_eq!(
            as_floats(&details["metadata"][name]),
            as_floats(&example["metadata"][name]),
            "metadata.{name}"
        );
    }
    for name in &plain {
        assert_eq!(
            as_floats(&details["properties"][name]),
            as_floats(&example["properties"][name]),
            "properties.{name}"
        );
    }
    assert_eq!(
        details["metadata"]["concepts"],
        json!([{ "modelId": "modelId", "scale": -2.0, "modelEpoch": "modelEpoch" }])
    );
    let contours = example["metadata"]["contours"].as_array();
    let contours: Vec<_> = contours
        .into_iter()
        .flatten()
        .map(|rings| {
            let rings = rings.as_array().into_iter().flatten();
            let rings: Vec<_> = rings
                .map(|points| json!({ "points": as_floats(points) }))
                .collect();
            json!({ "rings": rings })
        })
        .collect();
    assert_eq!(details["metadata"]["contours"], json!(contours));
    assert_eq!(details["properties"]["transcription"], "text");
    assert_eq!(details["automaticCaptioning"], "automaticCaptioning");
    assert_eq!(details["firstFrame"]["upstreamId"], "assetId");
}

#[tokio::test]
async fn missing_values_are_null_and_an_unknown_status_is_unknown() {
    let world = world().await;
    let null = || asset_gateway::sandbox::json("null");
    let word = || asset_gateway::sandbox::json("\"archived\"");
    let (scenario, piktid) = {
        let mut scenario = world.sandbox.store.scenario();
        for (row, status) in [(0, null()), (1, word())] {
            let overrides = &mut scenario[row].overrides;
            overrides.insert("status".to_owned(), status);
            for name in ["authorId", "ownerId", "kind", "privacy", "source"] {
                overrides.insert(name.to_owned(), null());
            }
        }
        let mut piktid = world.sandbox.store.piktid();
        for name in ["filename", "created_by", "visibility"] {
            piktid[0].overrides.insert(name.to_owned(), null());
        }
        let scenario = [0, 1].map(|row| asset_id("scenario", &scenario[row].id));
        (scenario, asset_id("piktid", &piktid[0].id))
    };
    let fields = "status visibility details { ... on ScenarioDetails { authorId ownerId kind privacy \
                  source status } ... on PiktidDetails { filename createdBy visibility } }";
    for (id, status) in scenario.iter().zip([Value::Null, json!("archived")]) {
        let shown = asset(&world, id, fields).await;
        assert_eq!(shown["status"], "UNKNOWN");
        assert_eq!(shown["visibility"], Value::Null);
        let details = json!({
            "authorId": null, "ownerId": null, "kind": null, "privacy": null, "source": null,
            "status": status,
        });
        assert_eq!(shown["details"], details);
    }
    let shown = asset(&world, &piktid, fields).await;
    let details = json!({ "filename": null, "createdBy": null, "visibility": null });
    assert_eq!(shown["details"], details);
}

/// Converts numbers to floats, as the graph writes them.
fn as_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(items) => items.iter().map(as_floats).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn embeddings_cost_a_read_only_when_selected() {
    let world = world().await;
    let id = asset_id("scenario", &world.sandbox.store.scenario()[0].id.clone());
    asset(
        &world,
        &id,
        "details { ... on ScenarioDetails { authorId } }",
    )
    .await;
    assert_eq!(world.sandbox.scenario.recorder.count("GET /v1/assets/"), 0);
    let shown = asset(
        &world,
        &id,
        "details { ... on ScenarioDetails { embedding } }",
    )
    .await;
    assert_eq!(
        shown["details"]["embedding"],
        json!([0.0, 0.5, -0.25, 0.125])
    );
    assert_eq!(world.sandbox.scenario.recorder.count("GET /v1/assets/"), 1);
}

#[tokio::test]
async fn a_piktid_asset_shows_what_piktid_sent() {
    let world = world().await;
    let (mine, platform, fresh) = {
        let store = world.sandbox.store.piktid();
        (store[0].clone(), store[7].clone(), store[39].clone())
    };
    let fields = "name kind mimeType size width height updatedAt visibility createdBy tags note thumbnailUrl viewerCanTag
        details { ... on PiktidDetails { filename createdBy visibility stylingNote dimensions
          detected { hasPerson hasClothing personAttributes clothingItems categories } } }";
    let shown = asset(&world, &asset_id("piktid", &mine.id), fields).await;
    assert_eq!(shown["name"], "harbour-000.png");
    assert_eq!(shown["mimeType"], "image/png", "guessed from the name");
    assert_eq!(shown["size"], Value::Null);
    assert_eq!(shown["updatedAt"], Value::Null);
    assert_eq!(shown["visibility"], "PRIVATE");
    assert_eq!(shown["tags"], json!(["model", "product"]));
    assert_eq!(shown["note"], "keep the sleeves rolled up");
    assert_eq!(shown["viewerCanTag"], true);
    assert_eq!(
        shown["details"]["detected"]["clothingItems"],
        json!(["Shirt", "Pants"])
    );
    let shown = asset(&world, &asset_id("piktid", &platform.id), fields).await;
    assert_eq!(shown["visibility"], "PLATFORM");
    assert_eq!(shown["viewerCanTag"], false);
    let shown = asset(&world, &asset_id("piktid", &fresh.id), fields).await;
    assert_eq!(
        (&shown["thumbnailUrl"], &shown["width"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(shown["details"]["detected"], Value::Null);
}

#[tokio::test]
async fn a_comfy_asset_shows_what_comfy_sent_less_server_paths() {
    let world = world().await;
    let (weights, picture) = {
        let store = world.sandbox.store.comfy();
        let picture = store
            .iter()
            .find(|a| a.has_preview && a.hash.is_some() && a.job_id.is_some())
            .cloned();
        (store[8].clone(), picture)
    };
    let fields = "name kind size width contentHash updatedAt visibility note tags raw viewerCanDelete
        details { ... on ComfyDetails { hash jobId loaderPath displayName userMetadata systemMetadata isImmutable previewUrl } }";
    let shown = asset(&world, &asset_id("comfy", &weights.id), fields).await;
    assert_eq!(shown["kind"], "MODEL_WEIGHTS");
    assert_eq!(shown["size"], 6_938_040_682_u64, "past 32 bits");
    assert!(!shown.to_string().contains("/srv/comfy"), "{shown:#}");
    assert_eq!(shown["raw"]["id"], json!(weights.id));
    let picture = picture.expect("seeded");
    let shown = asset(&world, &asset_id("comfy", &picture.id), fields).await;
    assert_eq!(shown["kind"], "IMAGE");
    assert_eq!(shown["contentHash"], json!(picture.hash));
    assert_eq!(shown["details"]["jobId"], json!(picture.job_id));
    assert!(shown["width"].is_u64());
    assert_eq!(shown["viewerCanDelete"], true);
}

#[tokio::test]
async fn sources_and_assets_refetch_by_their_ids() {
    let world = world().await;
    let data = world
        .data("{ assetSources { id name } assets(first: 3) { nodes { id } } }")
        .await;
    let mut ids = texts(&data["assetSources"], "/id");
    ids.extend(texts(&data["assets"]["nodes"], "/id"));
    for id in ids {
        let again = world.data(&format!("{{ node(id: \"{id}\") {{ id __typename ... on AssetSource {{ name }} ... on Asset {{ name }} }} }}")).await;
        assert_eq!(again["node"]["id"], json!(id));
        assert!(again["node"]["name"].is_string());
    }
    let none = world.data("{ assetSource(name: \"nope\") { id } }").await;
    assert_eq!(none, json!({ "assetSource": null }));
}

#[tokio::test]
async fn the_committed_schema_is_the_built_one() {
    let committed = include_str!("../../schema.graphql");
    let built = asset_gateway::schema::client_sdl();
    assert!(
        committed == built,
        "schema.graphql is out of date: cargo run -- schema > schema.graphql"
    );
}

#[tokio::test]
async fn everything_in_the_schema_is_described() {
    let world = world().await;
    let data = world
        .data(
            "{ __schema { types { name description
            fields { name description args { name description } }
            enumValues { name description } inputFields { name description } } } }",
        )
        .await;
    let mut bare = Vec::new();
    for kind in data["__schema"]["types"]
        .as_array()
        .cloned()
        .unwrap_or_default()
    {
        let name = kind["name"].as_str().unwrap_or_default().to_owned();
        // Defined by the specification.
        if name.starts_with('_')
            || ["ID", "String", "Int", "Float", "Boolean"].contains(&name.as_str())
        {
            continue;
        }
        if kind["description"].as_str().is_none_or(str::is_empty) {
            bare.push(name.clone());
        }
        for part in ["fields", "enumValues", "inputFields"] {
            for member in kind[part].as_array().cloned().unwrap_or_default() {
                let path = format!("{name}.{}", member["name"].as_str().unwrap_or_default());
                if path.contains("._") {
                    continue;
                }
                if member["description"].as_str().is_none_or(str::is_empty) {
                    bare.push(path.clone());
                }
                for argument in member["args"].as_array().cloned().unwrap_or_default() {
                    if argument["description"].as_str().is_none_or(str::is_empty) {
                        bare.push(format!(
                            "{path}({})",
                            argument["name"].as_str().unwrap_or_default()
                        ));
                    }
                }
            }
        }
    }
    assert!(bare.is_empty(), "without description: {bare:?}");
}

#[tokio::test]
async fn an_asset_has_the_same_fields_through_every_query() {
    let world = world().await;
    let fields = "__typename id provider upstreamId name kind mimeType size width height durationSeconds contentHash createdAt
                  updatedAt status visibility createdBy tags note url urlExpiresAt thumbnailUrl small: thumbnailUrl(size: SMALL)
                  large: thumbnailUrl(size: LARGE) viewerCanTag viewerCanNote viewerCanDelete";
    for list in ["scenarioAssets", "piktidAssets", "comfyAssets"] {
        let query = format!(
            "{{ list: {list}(first: 30) {{ nodes {{ {fields} }} edges {{ node {{ {fields} }} }} }} }}"
        );
        let data = world.data(&query).await;
        let nodes = data["list"]["nodes"].as_array().expect("a list");
        let edges = data["list"]["edges"].as_array().expect("a list");
        assert!(nodes.len() > 5, "{list}");
        let edges: Vec<&Value> = edges.iter().map(|edge| &edge["node"]).collect();
        assert_eq!(nodes.iter().collect::<Vec<_>>(), edges);
        let ids = json!(texts(&data["list"]["nodes"], "/id"));
        let by_id = world
            .data(&format!(
                "{{ nodes(ids: {ids}) {{ ... on Asset {{ {fields} }} }} }}"
            ))
            .await;
        assert_eq!(data["list"]["nodes"], by_id["nodes"], "{list}");
        // Through `_entities`, which the engine resolves field by field.
        let each: Vec<Value> = nodes
            .iter()
            .map(|node| json!({ "__typename": "Asset", "id": node["id"] }))
            .collect();
        let query = format!(
            "query($all: [_Any!]!) {{ _entities(representations: $all) {{ ... on Asset {{ {fields} }} }} }}"
        );
        let entities = world.ask_with(&query, json!({ "all": each })).await;
        assert_eq!(
            data["list"]["nodes"], entities["data"]["_entities"],
            "{list}"
        );
    }
}
