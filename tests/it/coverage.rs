//! The coverage table: every query parameter of every list in the contracts, with its document and
//! its field in the graph. Each row sends a query, then checks the request that the sandbox
//! received and the rows of the answer.
//!
//! Documents: `000` to `004` are the seed pages; `SDK`, `N` and `L` are the contracts' grades for
//! newer parameters (docs/providers.md). The graph leaves out `deleted` [SDK]: its list takes no
//! order and no window (docs/providers/scenario.md 5.1), so a cursor has no position in it.
//! `ScenarioParameters` can express it (`parameters`). `teamId` [SDK] goes with `deleted` only.

use asset_gateway::sandbox::{
    ComfyAsset, Dialect, Options, PiktidAsset, RecordedCall, ScenarioAsset, Store,
};
use serde_json::Value;

use crate::harness::{TestGateway, texts, world_of, world_with};

/// The expected rows, in the list's order.
enum Rows {
    Scenario(fn(&ScenarioAsset) -> bool),
    /// The public assets of all owners.
    Public(fn(&ScenarioAsset) -> bool),
    Piktid(fn(&PiktidAsset) -> bool),
    Comfy(fn(&ComfyAsset) -> bool),
    /// These ids, in the order that the row is about.
    Sorted(fn(&Store) -> Vec<String>),
}

struct Row {
    document: &'static str,
    parameter: &'static str,
    /// The field with its arguments.
    place: &'static str,
    /// `name=value` as it must arrive; only the name where the connection chooses the value.
    sent: &'static str,
    rows: Rows,
}

const fn row(
    document: &'static str,
    parameter: &'static str,
    place: &'static str,
    sent: &'static str,
    rows: Rows,
) -> Row {
    Row {
        document,
        parameter,
        place,
        sent,
        rows,
    }
}

/// 2026-11-01T06:00:00Z in milliseconds.
const SIX: i64 = 1_793_512_800_000;

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // GET /assets of Scenario.
    row("001", "createdAfter", r#"scenarioAssets(filter: {createdAfter: "2026-11-01T06:00:00Z"})"#,
        "createdAfter", Rows::Scenario(|a| a.created > SIX)),
    row("001", "createdBefore", r#"scenarioAssets(filter: {createdBefore: "2026-11-01T06:00:00Z"})"#,
        "createdBefore", Rows::Scenario(|a| a.created < SIX)),
    row("SDK", "updatedAfter",
        r#"scenarioAssets(filter: {updatedAfter: "2026-11-01T06:00:00Z"}, orderBy: {field: UPDATED_AT, direction: DESC})"#,
        "updatedAfter", Rows::Sorted(|s| by_update(s, |a| a.updated > SIX))),
    row("SDK", "updatedBefore",
        r#"scenarioAssets(filter: {updatedBefore: "2026-11-01T06:00:00Z"}, orderBy: {field: UPDATED_AT, direction: DESC})"#,
        "updatedBefore", Rows::Sorted(|s| by_update(s, |a| a.updated < SIX))),
    row("SDK", "sortBy", r"scenarioAssets(orderBy: {field: UPDATED_AT, direction: DESC})",
        "sortBy=updatedAt", Rows::Sorted(|s| by_update(s, |_| true))),
    row("SDK", "sortDirection", r"scenarioAssets(orderBy: {field: CREATED_AT, direction: ASC})",
        "sortDirection=asc", Rows::Sorted(|s| {
            let mut rows = scenario(s, |_| true);
            rows.reverse();
            rows
        })),
    row("001", "privacy", "scenarioAssets(filter: {privacy: UNLISTED})",
        "privacy=unlisted", Rows::Scenario(|a| a.privacy == "unlisted")),
    row("001", "privacy", "scenarioAssets(filter: {privacy: PRIVATE})",
        "privacy=private", Rows::Scenario(|a| a.privacy == "private")),
    row("001", "privacy", "scenarioAssets(filter: {privacy: PUBLIC})",
        "privacy=public", Rows::Public(|_| true)),
    row("001", "modelId", r#"scenarioAssets(filter: {modelId: "model_2"})"#,
        "modelId=model_2", Rows::Scenario(|a| a.model_id.as_deref() == Some("model_2"))),
    row("SDK", "inferenceId", r#"scenarioAssets(filter: {inferenceId: "inf_4"})"#,
        "inferenceId=inf_4", Rows::Scenario(|a| a.inference_id.as_deref() == Some("inf_4"))),
    row("SDK", "authorId", r#"scenarioAssets(filter: {authorId: "u77aa"})"#,
        "authorId=u77aa", Rows::Scenario(|a| a.author_id == "u77aa")),
    row("SDK", "collectionId", r#"scenarioAssets(filter: {collectionId: "col_favourites"})"#,
        "collectionId=col_favourites", Rows::Scenario(|a| !a.collection_ids.is_empty())),
    row("001", "parentAssetId", r#"scenarioAssets(filter: {parentUpstreamId: "$PARENT"})"#,
        "parentAssetId=$PARENT", Rows::Sorted(|s| children(s, &parent(s)))),
    row("001", "rootAssetId", r#"scenarioAssets(filter: {rootUpstreamId: "$ROOT"})"#,
        "rootAssetId=$ROOT", Rows::Sorted(|s| {
            let root = root(s);
            store_ids(s, |a| a.root.as_ref() == Some(&root))
        })),
    row("SDK", "tags", r#"scenarioAssets(filter: {privacy: PUBLIC, tags: ["concept", "Showcase"]})"#,
        "tags=Showcase,concept", Rows::Public(|a| a.tags.len() == 2)),
    row("SDK", "type", r#"scenarioAssets(filter: {type: "canvas"})"#,
        "type=canvas", Rows::Scenario(|a| a.asset_type == "canvas")),
    row("SDK", "types", r#"scenarioAssets(filter: {types: ["upscale", "canvas"]})"#,
        "types=canvas,upscale", Rows::Scenario(|a| ["canvas", "upscale"].contains(&a.asset_type.as_str()))),
    // A type that the gateway does not know is Scenario's to judge.
    row("SDK", "types", r#"scenarioAssets(filter: {types: ["img2world", "canvas"]})"#,
        "types=canvas,img2world", Rows::Scenario(|a| a.asset_type == "canvas")),
    row("SDK", "originalAssets", "scenarioAssets(originalAssets: true)",
        "originalAssets=true", Rows::Scenario(|_| true)),
    row("SDK", "projectId", r#"scenarioAssets(filter: {projectId: "proj_sandbox"})"#,
        "projectId=proj_sandbox", Rows::Scenario(|_| true)),
    row("001", "pageSize", "scenarioAssets(first: 7)",
        "pageSize", Rows::Sorted(|s| scenario(s, |_| true).into_iter().take(7).collect())),
    // Between the matches lie more rows than one call returns.
    row("001", "paginationToken", r#"assets(filter: {sources: ["scenario"], tagsAll: ["concept", "harbour"]})"#,
        "paginationToken", Rows::Scenario(|a| a.tags.iter().any(|t| t == "concept") && a.tags.iter().any(|t| t == "harbour"))),
    row("SDK", "POST /search/assets query", r#"assets(filter: {sources: ["scenario"], search: "fox snow"})"#,
        "query=fox snow", Rows::Scenario(|a| a.name.as_ref().is_some_and(|n| n == "fox under snow"))),

    row("SDK", "POST /search/assets sortBy",
        r#"assets(filter: {sources: ["scenario"], search: "fox snow"}, orderBy: {field: CREATED_AT, direction: ASC})"#,
        r#"sortBy=["createdAt:asc"]"#, Rows::Sorted(|s| reversed(scenario(s, |a| a.name.as_ref().is_some_and(|n| n == "fox under snow"))))),

    // GET /assets/public of Scenario, also as GET /assets with the public token.
    row("000", "createdAfter", r#"scenarioPublicAssets(filter: {createdAfter: "2026-11-01T06:00:00Z"})"#,
        "createdAfter", Rows::Public(|a| a.created > SIX)),
    row("000", "createdBefore", r#"scenarioPublicAssets(filter: {createdBefore: "2026-11-01T06:00:00Z"})"#,
        "createdBefore", Rows::Public(|a| a.created < SIX)),
    row("000", "updatedAfter",
        r#"scenarioPublicAssets(filter: {updatedAfter: "2026-11-01T06:00:00Z"}, orderBy: {field: UPDATED_AT, direction: DESC})"#,
        "updatedAfter", Rows::Sorted(|s| public_by_update(s, |a| a.updated > SIX))),
    row("000", "updatedBefore",
        r#"scenarioPublicAssets(filter: {updatedBefore: "2026-11-01T06:00:00Z"}, orderBy: {field: UPDATED_AT, direction: DESC})"#,
        "updatedBefore", Rows::Sorted(|s| public_by_update(s, |a| a.updated < SIX))),
    row("000", "sortBy", r"scenarioPublicAssets(orderBy: {field: UPDATED_AT, direction: DESC})",
        "sortBy=updatedAt", Rows::Sorted(|s| public_by_update(s, |_| true))),
    row("000", "sortDirection", r"scenarioPublicAssets(orderBy: {field: CREATED_AT, direction: ASC})",
        "sortDirection=asc", Rows::Sorted(|s| {
            let mut rows = public(s, |_| true);
            rows.reverse();
            rows
        })),
    row("000", "modelId", r#"scenarioPublicAssets(filter: {modelId: "model_3"})"#,
        "modelId=model_3", Rows::Public(|a| a.model_id.as_deref() == Some("model_3"))),
    row("000", "tags", r#"scenarioPublicAssets(filter: {tags: ["Showcase"]})"#,
        "tags=Showcase", Rows::Public(|a| a.tags.iter().any(|t| t == "Showcase"))),
    row("000", "type", r#"scenarioPublicAssets(filter: {type: "texture-albedo"})"#,
        "type=texture-albedo", Rows::Public(|a| a.asset_type == "texture-albedo")),
    row("000", "types", r#"scenarioPublicAssets(filter: {types: ["texture-albedo", "uploaded"]})"#,
        "types=texture-albedo,uploaded", Rows::Public(|a| ["texture-albedo", "uploaded"].contains(&a.asset_type.as_str()))),
    row("000", "originalAssets", "scenarioPublicAssets(originalAssets: true)",
        "originalAssets=true", Rows::Public(|_| true)),
    row("000", "pageSize", "scenarioPublicAssets(first: 3)",
        "pageSize", Rows::Sorted(|s| public(s, |_| true).into_iter().take(3).collect())),

    // To detect a next page, the gateway needs one row more than a call returns.
    row("000", "paginationToken", "scenarioPublicAssets(first: 100)",
        "paginationToken", Rows::Sorted(|s| public(s, |_| true).into_iter().take(100).collect())),

    // GET /assets of PiktID.
    row("002", "page", "piktidAssets(last: 5)",
        "page", Rows::Sorted(|s| piktid(s, |_| true).split_off(115))),
    row("002", "per_page", "piktidAssets(first: 5)",
        "per_page", Rows::Sorted(|s| piktid(s, |_| true).into_iter().take(5).collect())),
    row("002", "order", "piktidAssets(orderBy: {field: CREATED_AT, direction: ASC})",
        "order=asc", Rows::Sorted(|s| {
            let mut rows = piktid(s, |_| true);
            rows.reverse();
            rows
        })),
    row("002", "sort_by", "piktidAssets(orderBy: {field: FILENAME, direction: ASC})",
        "sort_by=filename", Rows::Sorted(|s| {
            let mut all: Vec<_> = s.piktid().iter().map(|a| (a.filename.clone(), a.id.clone())).collect();
            all.sort();
            all.into_iter().map(|(_, id)| id).collect()
        })),
    row("002", "created_by", r#"piktidAssets(filter: {createdBy: "grace"})"#,
        "created_by=grace", Rows::Piktid(|a| a.created_by == "grace")),
    row("002", "created_after", r#"piktidAssets(filter: {createdAfter: "2026-11-01T06:00:00Z"})"#,
        "created_after=2026-11-01T06:00:00Z", Rows::Piktid(|a| a.created >= SIX * 1000)),
    row("002", "created_before", r#"piktidAssets(filter: {createdBefore: "2026-11-01T06:00:00Z"})"#,
        "created_before=2026-11-01T06:00:00Z", Rows::Piktid(|a| a.created <= SIX * 1000)),
    row("002", "search", r#"piktidAssets(filter: {search: "lookbook"})"#,
        "search=lookbook", Rows::Piktid(|a| a.project.is_some())),
    row("002", "search", r#"assets(filter: {providers: [PIKTID], search: "fox"})"#,
        "search=fox", Rows::Piktid(|a| a.filename.starts_with("fox"))),
    row("004", "ownership", "piktidAssets(filter: {ownership: MINE})",
        "ownership=mine", Rows::Piktid(|a| a.created_by == "ada")),
    row("004", "ownership", "piktidAssets(filter: {ownership: SHARED})",
        "ownership=shared", Rows::Piktid(|a| a.visibility == "shared")),
    row("004", "ownership", "piktidAssets(filter: {ownership: DEFAULT})",
        "ownership=default", Rows::Piktid(|a| a.visibility == "default")),
    row("002", "include_tags", r#"piktidAssets(filter: {includeTags: ["product", "model"]})"#,
        "include_tags=model,product", Rows::Piktid(|a| a.tags.len() == 2)),
    row("004", "exclude_tags", r#"piktidAssets(filter: {excludeTags: ["product"]})"#,
        "exclude_tags=product", Rows::Piktid(|a| !a.tags.iter().any(|t| t == "product"))),

    // GET /api/assets of Comfy. The newest cloud hides models unless the request names a tag.
    row("003", "include_tags", r#"comfyAssets(filter: {includeTags: ["models", "model_type:loras"]})"#,
        "include_tags=model_type:loras,models", Rows::Comfy(|a| has(a, "models"))),
    row("003", "exclude_tags", r#"comfyAssets(filter: {excludeTags: ["output"]})"#,
        "exclude_tags=output,missing", Rows::Comfy(|a| has(a, "input"))),
    row("N", "tags_all", r#"comfyAssets(filter: {tagsAll: ["models"]})"#,
        "tags_all=models", Rows::Comfy(|a| has(a, "models"))),
    row("N", "tags_any", r#"comfyAssets(filter: {tagsAny: ["fox", "models"]})"#,
        "tags_any=fox,models", Rows::Comfy(|a| has(a, "models") || has(a, "fox"))),
    row("L", "tags_none", r#"comfyAssets(filter: {tagsNone: ["output"]})"#,
        "tags_none=output,missing", Rows::Comfy(|a| has(a, "input"))),
    row("003", "name_contains", r#"comfyAssets(filter: {nameContains: "WHALE"})"#,
        "name_contains=WHALE", Rows::Comfy(|a| a.name.contains("whale") && !has(a, "models"))),
    row("003", "name_contains", r#"assets(filter: {providers: [COMFY], search: "whale"})"#,
        "name_contains=whale", Rows::Comfy(|a| a.name.contains("whale") && !a.is_public)),
    row("003", "metadata_filter", r#"comfyAssets(filter: {metadataFilter: [{key: "rating", anyOf: [1, 2]}]})"#,
        r#"metadata_filter={"rating":[1,2]}"#,
        Rows::Comfy(|a| !has(a, "models") && [Some(1), Some(2)].contains(&a.user_metadata.get("rating").and_then(Value::as_i64)))),
    row("003", "metadata_filter",
        r#"comfyAssets(filter: {metadataFilter: [{key: "rating"}, {key: "kind", anyOf: ["image"]}]})"#,
        r#"metadata_filter={"kind":"image","rating":null}"#,
        Rows::Comfy(|a| !a.user_metadata.contains_key("rating") && a.metadata.as_ref().is_some_and(|m| m["kind"] == "image"))),
    row("003", "include_public", "comfyAssets(filter: {includePublic: false})",
        "include_public=false", Rows::Comfy(|a| !a.is_public && !has(a, "models"))),
    row("003", "include_public", "comfyAssets(filter: {includePublic: true})",
        "include_public=true", Rows::Comfy(|a| !has(a, "models"))),
    row("N", "hash", r#"comfyAssets(filter: {hash: "$HASH"})"#,
        "hash=$HASH", Rows::Comfy(|a| a.name.contains("_00003_"))),
    row("003", "limit", "comfyAssets(first: 4)",
        "limit", Rows::Sorted(|s| comfy(s, |a| !has(a, "models")).into_iter().take(4).collect())),
    row("003", "offset", "comfyAssets(last: 4, orderBy: {field: NAME, direction: ASC})",
        "offset", Rows::Sorted(|s| comfy_by(s, |a| a.name.clone()).split_off(136))),
    row("003", "sort", "comfyAssets(orderBy: {field: NAME, direction: DESC})",
        "sort=name", Rows::Sorted(|s| reversed(comfy_by(s, |a| a.name.clone())))),
    row("003", "sort", "comfyAssets(orderBy: {field: SIZE, direction: DESC})",
        "sort=size", Rows::Sorted(|s| reversed(comfy_by(s, |a| a.size)))),
    row("003", "sort", "comfyAssets(orderBy: {field: LAST_ACCESS_TIME, direction: DESC})",
        "sort=last_access_time", Rows::Sorted(|s| reversed(comfy_by(s, |a| a.last_access)))),
    row("003", "sort", "comfyAssets(orderBy: {field: UPDATED_AT, direction: DESC})",
        "sort=updated_at", Rows::Sorted(|s| {
            let mut all: Vec<_> = s.comfy().iter().filter(|a| !has(a, "models"))
                .map(|a| (-a.updated, a.id.clone())).collect();
            all.sort();
            all.into_iter().map(|(_, id)| id).collect()
        })),
    row("003", "order", "comfyAssets(orderBy: {field: SIZE, direction: ASC})",
        "order=asc", Rows::Sorted(|s| comfy_by(s, |a| a.size))),
];

fn has(asset: &ComfyAsset, tag: &str) -> bool {
    asset.tags.iter().any(|candidate| candidate == tag)
}

/// Newest first, ties by id: the connection's own order.
fn newest(mut rows: Vec<(i64, String)>) -> Vec<String> {
    rows.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    rows.into_iter().map(|(_, id)| id).collect()
}

fn scenario(store: &Store, fits: impl Fn(&ScenarioAsset) -> bool) -> Vec<String> {
    store_ids(store, |a| a.owner_id == "proj_sandbox" && fits(a))
}

fn public(store: &Store, fits: impl Fn(&ScenarioAsset) -> bool) -> Vec<String> {
    store_ids(store, |a| a.privacy == "public" && fits(a))
}

fn store_ids(store: &Store, fits: impl Fn(&ScenarioAsset) -> bool) -> Vec<String> {
    let assets = store.scenario();
    newest(
        assets
            .iter()
            .filter(|a| fits(a))
            .map(|a| (a.created, a.id.clone()))
            .collect(),
    )
}

fn by_update(store: &Store, fits: impl Fn(&ScenarioAsset) -> bool) -> Vec<String> {
    let assets = store.scenario();
    let owned = assets
        .iter()
        .filter(|a| a.owner_id == "proj_sandbox" && fits(a));
    newest(owned.map(|a| (a.updated, a.id.clone())).collect())
}

fn public_by_update(store: &Store, fits: impl Fn(&ScenarioAsset) -> bool) -> Vec<String> {
    let assets = store.scenario();
    let open = assets.iter().filter(|a| a.privacy == "public" && fits(a));
    newest(open.map(|a| (a.updated, a.id.clone())).collect())
}

fn piktid(store: &Store, fits: impl Fn(&PiktidAsset) -> bool) -> Vec<String> {
    let assets = store.piktid();
    newest(
        assets
            .iter()
            .filter(|a| fits(a))
            .map(|a| (a.created, a.id.clone()))
            .collect(),
    )
}

/// Newest first, as the emulator sorts: ties by id, in the same direction.
fn comfy(store: &Store, fits: impl Fn(&ComfyAsset) -> bool) -> Vec<String> {
    let assets = store.comfy();
    let fitting = assets.iter().filter(|a| fits(a));
    let mut rows: Vec<_> = fitting.map(|a| (a.created, a.id.clone())).collect();
    rows.sort();
    reversed(rows.into_iter().map(|(_, id)| id).collect())
}

/// The list without a tag filter, sorted by a value as the emulator sorts: ties by id.
fn comfy_by<T: Ord>(store: &Store, value: impl Fn(&ComfyAsset) -> T) -> Vec<String> {
    let assets = store.comfy();
    let mut rows: Vec<_> = assets
        .iter()
        .filter(|a| !has(a, "models"))
        .map(|a| (value(a), a.id.clone()))
        .collect();
    rows.sort();
    rows.into_iter().map(|(_, id)| id).collect()
}

fn reversed(mut rows: Vec<String>) -> Vec<String> {
    rows.reverse();
    rows
}

/// The id of an asset that has children.
fn parent(store: &Store) -> String {
    let assets = store.scenario();
    assets
        .iter()
        .filter(|a| a.owner_id == "proj_sandbox")
        .find_map(|a| a.parent.clone())
        .expect("some have one")
}

fn root(store: &Store) -> String {
    let assets = store.scenario();
    assets
        .iter()
        .find_map(|a| a.root.clone())
        .expect("some have one")
}

fn children(store: &Store, parent: &str) -> Vec<String> {
    store_ids(store, |a| a.parent.as_deref() == Some(parent))
}

fn hash(store: &Store) -> String {
    let assets = store.comfy();
    let asset = assets.iter().find(|a| a.name.contains("_00003_"));
    asset.and_then(|a| a.hash.clone()).expect("a hash")
}

async fn world() -> TestGateway {
    let newest = Options {
        dialect: Dialect::Newest,
        ..Options::default()
    };
    let world = world_with(newest, |_| {}).await;
    // The seed gives its public assets no model.
    for (number, asset) in world.sandbox.store.scenario().iter_mut().enumerate() {
        if asset.privacy == "public" {
            asset.model_id = Some(format!("model_{}", number % 5));
        }
    }
    // Adds more assets than one call returns.
    let mut assets = world.sandbox.store.scenario();
    let open = assets
        .iter()
        .find(|a| a.privacy == "public" && a.owner_id != "proj_sandbox")
        .cloned()
        .expect("somebody's public one");
    for number in 0..90 {
        assets.push(ScenarioAsset {
            id: format!("asset_open{number}"),
            created: open.created - 1_000_000 * (number + 1),
            ..open.clone()
        });
    }
    drop(assets);
    world
}

/// The ids of the list: of one page where `place` gives its size, else of all pages.
async fn walked(world: &TestGateway, place: &str) -> Vec<String> {
    let field = place.split('(').next().expect("a field");
    let single = place.contains("first:") || place.contains("last:");
    let (mut ids, mut after) = (Vec::new(), String::new());
    loop {
        let arguments = if single {
            place.to_owned()
        } else {
            let open = format!("{field}(first: 100 {after} ");
            place.replacen(&format!("{field}("), &open, 1)
        };
        let data = world
            .data(&format!(
                "{{ {arguments} {{ nodes {{ upstreamId }} pageInfo {{ hasNextPage endCursor }} \
                 sourceResults {{ status error {{ message }} unreadableAssets {{ path }} }} }} }}"
            ))
            .await;
        let list = &data[field];
        for source in list["sourceResults"].as_array().expect("a list") {
            assert_eq!(source["status"], "OK", "{place}: {source}");
        }
        ids.extend(texts(&list["nodes"], "/upstreamId"));
        if single || list["pageInfo"]["hasNextPage"] == false {
            return ids;
        }
        after = format!(
            "after: \"{}\"",
            list["pageInfo"]["endCursor"].as_str().expect("a cursor")
        );
    }
}

/// The fields of a JSON body as `name=value`.
fn body_pairs(body: &str) -> Vec<String> {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let fields = body.as_object().into_iter().flatten();
    fields
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect()
}

fn pairs(calls: &[RecordedCall]) -> Vec<String> {
    calls
        .iter()
        .flat_map(|call| {
            url::form_urlencoded::parse(call.query.as_bytes())
                .map(|(name, value)| format!("{name}={value}"))
                .chain([format!("@{}", call.path)])
                .chain(body_pairs(&call.body))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test]
async fn every_parameter_of_every_list_is_in_the_graph() {
    let world = world().await;
    let store = &world.sandbox.store;
    for row in TABLE {
        let fill = |text: &str| {
            text.replace("$PARENT", &parent(store))
                .replace("$ROOT", &root(store))
                .replace("$HASH", &hash(store))
        };
        let what = format!("{} {} at {}", row.document, row.parameter, row.place);
        world.forget_calls();
        let shown = walked(&world, &fill(row.place)).await;
        let calls = [
            world.sandbox.scenario.recorder.calls(),
            world.sandbox.piktid.recorder.calls(),
            world.sandbox.comfy.recorder.calls(),
        ]
        .concat();
        let sent = fill(row.sent);
        let arrived = pairs(&calls);
        assert!(
            arrived
                .iter()
                .any(|pair| *pair == sent || pair.split('=').next() == Some(&sent)),
            "{what}: {sent} is not among {arrived:?}"
        );
        let (expected, stored) = match row.rows {
            Rows::Scenario(fits) => (scenario(store, fits), store.scenario().len()),
            Rows::Public(fits) => (public(store, fits), store.scenario().len()),
            Rows::Piktid(fits) => (piktid(store, fits), store.piktid().len()),
            Rows::Comfy(fits) => (comfy(store, fits), store.comfy().len()),
            Rows::Sorted(expected) => (expected(store), usize::MAX),
        };
        assert!(
            !expected.is_empty() && expected.len() < stored,
            "{what}: the sandbox holds some that fit and some that do not"
        );
        assert_eq!(shown, expected, "{what}");
    }
}

/// The parameters of each document. It leaves out those named in the module's documentation, and
/// `after` of N and L: pages go by `offset`, which every server has.
const DOCUMENTS: [(&str, &[&str], &str); 7] = [
    (
        "000",
        &["scenarioPublicAssets"],
        "createdAfter createdBefore updatedAfter updatedBefore modelId originalAssets pageSize \
         paginationToken sortBy sortDirection tags type types",
    ),
    (
        "001",
        &["scenarioAssets", "assets"],
        "createdAfter createdBefore modelId privacy parentAssetId rootAssetId pageSize \
         paginationToken",
    ),
    (
        "SDK",
        &["scenarioAssets"],
        "updatedAfter updatedBefore sortBy sortDirection inferenceId authorId collectionId tags \
         type types originalAssets projectId",
    ),
    (
        "002",
        &["piktidAssets"],
        "page per_page order sort_by created_by created_after created_before search include_tags",
    ),
    ("004", &["piktidAssets"], "ownership exclude_tags"),
    (
        "003",
        &["comfyAssets"],
        "include_tags exclude_tags name_contains metadata_filter limit offset sort order \
         include_public",
    ),
    ("N", &["comfyAssets"], "tags_all tags_any hash"),
];

#[test]
fn the_table_has_every_parameter_of_every_document() {
    for (document, fields, parameters) in DOCUMENTS {
        for parameter in parameters.split_whitespace() {
            let is_there = TABLE.iter().any(|row| {
                row.document == document
                    && row.parameter == parameter
                    && fields.iter().any(|field| row.place.starts_with(field))
            });
            assert!(is_there, "{document} {parameter}");
        }
    }
}

#[tokio::test]
async fn original_assets_have_their_own_urls_in_every_cache() {
    let world = world().await;
    // Both lists in one query, so that a cache that confused them would fail the test.
    let query = "{ shown: scenarioAssets(first: 5) { nodes { id url } } \
                 original: scenarioAssets(first: 5, originalAssets: true) { nodes { id url } } }";
    for _ in 0..2 {
        let data = world.data(query).await;
        let (shown, original) = (&data["shown"]["nodes"], &data["original"]["nodes"]);
        assert_eq!(texts(shown, "/id"), texts(original, "/id"));
        for (one, other) in texts(shown, "/url").iter().zip(texts(original, "/url")) {
            assert_ne!(*one, other);
        }
        // Reads by id do not return the originals.
        let id = shown[0]["id"].as_str().expect("an id");
        let one = world
            .data(&format!("{{ asset(id: \"{id}\") {{ url }} }}"))
            .await;
        assert_ne!(one["asset"]["url"], original[0]["url"]);
    }
}

#[tokio::test]
async fn children_come_by_the_parent_filter_and_page_like_any_list() {
    let world = world().await;
    let store = &world.sandbox.store;
    let parent = parent(store);
    // Adds three children to the one in the seed.
    {
        let mut assets = store.scenario();
        let child = assets
            .iter()
            .find(|a| a.parent.as_ref() == Some(&parent))
            .cloned()
            .expect("a child");
        for number in 0..3 {
            assets.push(ScenarioAsset {
                id: format!("asset_child{number}"),
                ..child.clone()
            });
        }
    }
    let expected = children(store, &parent);
    assert_eq!(expected.len(), 4);
    let id = crate::harness::asset_id("scenario", &parent);
    let page = |arguments: String| {
        let query = format!(
            "{{ asset(id: \"{id}\") {{ children({arguments}) {{ nodes {{ upstreamId parent {{ id }} }} \
             pageInfo {{ hasNextPage endCursor }} }} }} }}"
        );
        let world = &world;
        async move { world.data(&query).await["asset"]["children"].clone() }
    };
    world.forget_calls();
    let first = page("first: 3".to_owned()).await;
    assert_eq!(texts(&first["nodes"], "/upstreamId"), expected[..3]);
    assert_eq!(texts(&first["nodes"], "/parent/id"), [&*id; 3]);
    let lists = world.sandbox.scenario.recorder.calls();
    assert!(
        lists
            .iter()
            .any(|call| call.query.contains(&format!("parentAssetId={parent}")))
    );
    let end = first["pageInfo"]["endCursor"].as_str().expect("more");
    let rest = page(format!("first: 3, after: \"{end}\"")).await;
    assert_eq!(texts(&rest["nodes"], "/upstreamId"), expected[3..]);
    assert_eq!(rest["pageInfo"]["hasNextPage"], false);

    // Sources without lineage have no such list, and a cursor is valid for its own parent only.
    let data = world
        .data("{ piktidAssets(first: 1) { nodes { children { totalCount } } } }")
        .await;
    assert!(data["piktidAssets"]["nodes"][0]["children"].is_null());
    let other_parent = crate::harness::asset_id("scenario", &expected[0]);
    let answer = world
        .ask(&format!(
            "{{ asset(id: \"{other_parent}\") {{ id children(after: \"{end}\") {{ totalCount }} }} }}"
        ))
        .await;
    assert_eq!(crate::harness::error(&answer).0, "BAD_CURSOR");
    assert_eq!(answer["data"]["asset"]["id"], *other_parent);
}

#[tokio::test]
async fn a_source_bound_to_another_project_is_skipped() {
    let world = world_of("[sources.scenario]\nproject_id = \"proj_sandbox\"\n").await;
    let data = world
        .data(
            r#"{ own: scenarioAssets(first: 2) { nodes { id } }
                 other: scenarioAssets(filter: {projectId: "proj_elsewhere"}) {
                   nodes { id } sourceResults { status reason } } }"#,
        )
        .await;
    assert_eq!(data["own"]["nodes"].as_array().map(Vec::len), Some(2));
    assert_eq!(data["other"]["nodes"].as_array().map(Vec::len), Some(0));
    assert_eq!(data["other"]["sourceResults"][0]["status"], "SKIPPED");
    let arrived = pairs(&world.sandbox.scenario.recorder.calls());
    assert!(arrived.contains(&"projectId=proj_sandbox".to_owned()));
    assert!(!arrived.contains(&"projectId=proj_elsewhere".to_owned()));
}
