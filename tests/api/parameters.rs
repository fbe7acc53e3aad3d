//! Every query parameter of each list endpoint can be said, and arrives as the contract spells it.

use std::{sync::Arc, time::Duration};

use asset_gateway::{
    asset::{Provider, SourceName},
    config::{PublicEndpoint, SourceKind},
    sandbox::{Dialect, Options, Sandbox},
    source::{
        Audience, ComfyParameters, Context, Direction, ListRequest, Ownership, Parameters,
        PiktidParameters, Position, Registry, ScenarioParameters, ScenarioPublicParameters, SortBy,
        SourceError,
    },
};
use serde_json::json;
use tokio::time::Instant;

use crate::help::config;

fn request(parameters: Parameters) -> ListRequest {
    ListRequest {
        audience: Audience::Account,
        by: SortBy::CreatedAt,
        direction: Direction::Newest,
        created_after: None,
        created_before: None,
        position: Position::Start,
        length: 10,
        parameters,
    }
}

/// Sends a list request and gives the query string that arrived, decoded and sorted.
async fn sent(
    sandbox: &Sandbox,
    registry: &Registry,
    provider: Provider,
    request: ListRequest,
) -> Result<Vec<String>, SourceError> {
    let name = SourceName::parse(provider.word()).expect("a name");
    let source = registry.named(&name).expect("configured");
    let context = Arc::new(Context::new(Instant::now() + Duration::from_secs(10), 10));
    let emulator = match provider {
        Provider::Scenario => &sandbox.scenario,
        Provider::Piktid => &sandbox.piktid,
        Provider::Comfy => &sandbox.comfy,
    };
    emulator.recorder.clear();
    source.list(&request, &context).await?;
    let calls = emulator.recorder.calls();
    assert_eq!(calls.len(), 1);
    let mut pairs: Vec<String> = url::form_urlencoded::parse(calls[0].query.as_bytes())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.push(format!("@{}", calls[0].path));
    pairs.sort();
    Ok(pairs)
}

async fn sandbox(dialect: Dialect) -> (Sandbox, Registry) {
    let sandbox = Sandbox::start(Options {
        dialect,
        ..Options::default()
    })
    .await
    .expect("the sandbox starts");
    let registry = Registry::connect(config(&sandbox).sources, &[1; 32]).expect("sources");
    (sandbox, registry)
}

#[expect(clippy::unnecessary_wraps, reason = "for optional parameters")]
fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[tokio::test]
async fn scenarios_parameters_arrive() {
    let (sandbox, registry) = sandbox(Dialect::Local).await;
    let time = "2026-01-02T03:04:05.678Z".parse().ok();
    let parameters = ScenarioParameters {
        privacy: text("private"),
        model_id: text("m"),
        inference_id: text("i"),
        author_id: text("a"),
        collection_id: text("c"),
        parent_asset_id: text("p"),
        root_asset_id: text("r"),
        tags: vec!["one".to_owned(), "two".to_owned()],
        types: vec!["uploaded".to_owned(), "upscale".to_owned()],
        original_assets: true,
        deleted: false,
        updated_after: None,
        updated_before: None,
    };
    let all = ListRequest {
        created_after: time,
        created_before: time,
        ..request(parameters.query())
    };
    assert_eq!(
        sent(&sandbox, &registry, Provider::Scenario, all).await,
        Ok([
            "@/v1/assets",
            "authorId=a",
            "collectionId=c",
            "createdAfter=2026-01-02T03:04:05.678Z",
            "createdBefore=2026-01-02T03:04:05.678Z",
            "inferenceId=i",
            "modelId=m",
            "originalAssets=true",
            "pageSize=10",
            "parentAssetId=p",
            "privacy=private",
            "rootAssetId=r",
            "sortBy=createdAt",
            "sortDirection=desc",
            "tags=one,two",
            "types=uploaded,upscale",
        ]
        .map(str::to_owned)
        .to_vec())
    );
    let updated = ScenarioParameters {
        types: vec!["uploaded".to_owned()],
        updated_after: time,
        updated_before: time,
        ..ScenarioParameters::default()
    };
    let by_update = ListRequest {
        by: SortBy::UpdatedAt,
        direction: Direction::Oldest,
        ..request(updated.query())
    };
    assert_eq!(
        sent(&sandbox, &registry, Provider::Scenario, by_update).await,
        Ok([
            "@/v1/assets",
            "pageSize=10",
            "sortBy=updatedAt",
            "sortDirection=asc",
            "type=uploaded",
            "updatedAfter=2026-01-02T03:04:05.678Z",
            "updatedBefore=2026-01-02T03:04:05.678Z",
        ]
        .map(str::to_owned)
        .to_vec())
    );
}

#[tokio::test]
async fn scenarios_deleted_assets_are_listed_without_an_order() {
    let (sandbox, registry) = sandbox(Dialect::Local).await;
    let deleted = ScenarioParameters {
        deleted: true,
        ..ScenarioParameters::default()
    };
    assert_eq!(
        sent(
            &sandbox,
            &registry,
            Provider::Scenario,
            request(deleted.query())
        )
        .await,
        Ok(["@/v1/assets", "deleted=true", "pageSize=10"]
            .map(str::to_owned)
            .to_vec())
    );
}

#[tokio::test]
async fn scenarios_public_list_shows_everybodys_assets_by_both_paths() {
    for (endpoint, path) in [
        (PublicEndpoint::Assets, "@/v1/assets"),
        (PublicEndpoint::AssetsPublic, "@/v1/assets/public"),
    ] {
        let sandbox = Sandbox::start(Options::default())
            .await
            .expect("the sandbox starts");
        let mut settings = config(&sandbox);
        for source in &mut settings.sources {
            if let SourceKind::Scenario(kind) = &mut source.kind {
                kind.public_endpoint = endpoint;
                kind.project_id = text("proj_sandbox");
            }
        }
        let registry = Registry::connect(settings.sources, &[1; 32]).expect("sources");
        let parameters = ScenarioPublicParameters {
            model_id: None,
            tags: vec!["concept".to_owned()],
            types: Vec::new(),
            original_assets: true,
            updated_after: None,
            updated_before: None,
        };
        let public = ListRequest {
            audience: Audience::Public,
            ..request(parameters.query())
        };
        assert_eq!(
            sent(&sandbox, &registry, Provider::Scenario, public.clone()).await,
            Ok([
                path,
                "originalAssets=true",
                "pageSize=10",
                "sortBy=createdAt",
                "sortDirection=desc",
                "tags=concept"
            ]
            .map(str::to_owned)
            .to_vec())
        );
        let source = registry
            .named(&SourceName::parse("scenario").expect("a name"))
            .expect("configured");
        let context = Context::new(Instant::now() + Duration::from_secs(10), 10);
        let all = ListRequest {
            parameters: Parameters::default(),
            length: 100,
            ..public
        };
        let page = source.list(&all, &context).await.expect("a page");
        let shared = sandbox
            .store
            .scenario()
            .iter()
            .filter(|a| a.privacy == "public")
            .count();
        assert_eq!(page.rows.len(), shared, "other organisations' too");
        let own = sent(
            &sandbox,
            &registry,
            Provider::Scenario,
            request(Parameters::default()),
        )
        .await;
        assert!(own.is_ok_and(|pairs| pairs.contains(&"projectId=proj_sandbox".to_owned())));
    }
}

#[tokio::test]
async fn a_token_leads_to_the_next_page() {
    let (sandbox, registry) = sandbox(Dialect::Local).await;
    let source = registry
        .named(&SourceName::parse("scenario").expect("a name"))
        .expect("configured");
    let context = Context::new(Instant::now() + Duration::from_secs(10), 10);
    let first = source
        .list(&request(Parameters::default()), &context)
        .await
        .expect("a page");
    let token = first.next.clone().expect("a token");
    let next = ListRequest {
        position: Position::Token(token),
        ..request(Parameters::default())
    };
    assert!(
        sent(&sandbox, &registry, Provider::Scenario, next.clone())
            .await
            .is_ok()
    );
    let forged = ListRequest {
        position: Position::Token("Zm9yZ2Vk".into()),
        ..next
    };
    assert!(
        matches!(
            source.list(&forged, &context).await,
            Err(SourceError::Rejected { status: 400, .. })
        ),
        "tokens cannot be forged"
    );
}

#[tokio::test]
async fn piktids_parameters_arrive() {
    let (sandbox, registry) = sandbox(Dialect::Local).await;
    let parameters = PiktidParameters {
        created_by: text("ada"),
        created_after: "2026-01-02T03:04:05.678901Z".parse().ok(),
        created_before: "2027-01-02T03:04:05Z".parse().ok(),
        search: text("fox & co"),
        ownership: Some(Ownership::Shared),
        include_tags: vec!["model".to_owned(), "product".to_owned()],
        exclude_tags: vec!["other".to_owned()],
    };
    assert_eq!(
        sent(
            &sandbox,
            &registry,
            Provider::Piktid,
            request(parameters.query())
        )
        .await,
        Ok([
            "@/assets",
            "created_after=2026-01-02T03:04:05.678901Z",
            "created_before=2027-01-02T03:04:05Z",
            "created_by=ada",
            "exclude_tags=other",
            "include_tags=model,product",
            "order=desc",
            "ownership=shared",
            "page=1",
            "per_page=10",
            "search=fox & co",
            "sort_by=created_at",
        ]
        .map(str::to_owned)
        .to_vec())
    );
    let by_name = ListRequest {
        by: SortBy::Name,
        direction: Direction::Oldest,
        position: Position::Offset(30),
        ..request(Parameters::default())
    };
    assert_eq!(
        sent(&sandbox, &registry, Provider::Piktid, by_name).await,
        Ok([
            "@/assets",
            "order=asc",
            "page=4",
            "per_page=10",
            "sort_by=filename"
        ]
        .map(str::to_owned)
        .to_vec())
    );
    let by_size = ListRequest {
        by: SortBy::Size,
        ..request(Parameters::default())
    };
    assert!(matches!(
        sent(&sandbox, &registry, Provider::Piktid, by_size).await,
        Err(SourceError::Unsupported(_))
    ));
}

#[tokio::test]
async fn comfys_parameters_arrive_in_both_spellings() {
    let (sandbox, registry) = sandbox(Dialect::Newest).await;
    let old = ComfyParameters {
        include_tags: vec!["input".to_owned(), "fox".to_owned()],
        exclude_tags: vec!["temp".to_owned()],
        name_contains: text("fox"),
        metadata_filter: json!({ "rating": [1, 2], "kind": null })
            .as_object()
            .cloned()
            .unwrap_or_default(),
        include_public: Some(true),
        ..ComfyParameters::default()
    };
    assert_eq!(
        sent(&sandbox, &registry, Provider::Comfy, request(old.query())).await,
        Ok([
            "@/api/assets",
            "exclude_tags=temp",
            "include_public=true",
            "include_tags=input,fox",
            "limit=10",
            "metadata_filter={\"kind\":null,\"rating\":[1,2]}",
            "name_contains=fox",
            "offset=0",
            "order=desc",
            "sort=created_at",
        ]
        .map(str::to_owned)
        .to_vec())
    );
    let new = ComfyParameters {
        tags_all: vec!["a".to_owned()],
        tags_any: vec!["b".to_owned(), "c".to_owned()],
        tags_none: vec!["d".to_owned()],
        hash: text("blake3:00"),
        ..ComfyParameters::default()
    };
    for (by, word) in [
        (SortBy::UpdatedAt, "sort=updated_at"),
        (SortBy::Name, "sort=name"),
        (SortBy::Size, "sort=size"),
        (SortBy::LastAccessTime, "sort=last_access_time"),
    ] {
        let request = ListRequest {
            by,
            position: Position::Offset(40),
            ..request(new.query())
        };
        assert_eq!(
            sent(&sandbox, &registry, Provider::Comfy, request).await,
            Ok([
                "@/api/assets",
                "hash=blake3:00",
                "limit=10",
                "offset=40",
                "order=desc",
                word,
                "tags_all=a",
                "tags_any=b,c",
                "tags_none=d"
            ]
            .map(str::to_owned)
            .to_vec())
        );
    }
    let source = registry
        .named(&SourceName::parse("comfy").expect("a name"))
        .expect("configured");
    let context = Context::new(Instant::now() + Duration::from_secs(10), 10);
    let first = source
        .list(&request(Parameters::default()), &context)
        .await
        .expect("a page");
    let cursor = first
        .next
        .clone()
        .expect("the newest contract gives a cursor");
    let next = ListRequest {
        position: Position::Token(cursor.clone()),
        ..request(Parameters::default())
    };
    let pairs = sent(&sandbox, &registry, Provider::Comfy, next)
        .await
        .expect("a page");
    assert!(pairs.contains(&format!("after={cursor}")));
}
