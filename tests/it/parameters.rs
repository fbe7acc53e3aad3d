//! List parameters that the graph does not expose: the providers' own tokens and cursors, and lists
//! that cannot be walked. `coverage` tests all others.

use std::{sync::Arc, time::Duration};

use asset_gateway::{
    asset::{Provider, SourceName},
    providers::{self, scenario::list_params::ScenarioParameters},
    sandbox::{Dialect, Options, Sandbox},
    source::{
        ListKind, ListRequest, ListSelection, NoCall, Order, Parameters, Position, RequestContext,
        SortBy, Source, SourceError,
    },
};

use crate::harness::config;

fn request(parameters: Parameters) -> ListRequest {
    ListRequest {
        listing: ListKind::Own,
        order: Order::NEWEST,
        after: None,
        before: None,
        position: Position::Start,
        length: 10,
        parameters,
    }
}

fn context() -> RequestContext {
    RequestContext::new(Duration::from_secs(10), 10)
}

/// A sandbox, and the client of one of its providers.
async fn client(provider: Provider) -> (Sandbox, Arc<dyn Source>) {
    let sandbox = Sandbox::start(Options {
        dialect: Dialect::Newest,
        ..Options::default()
    })
    .await
    .expect("the sandbox starts");
    let registry = providers::connect(config(&sandbox).sources, &[1; 32]).expect("sources");
    let name = SourceName::parse(provider.word()).expect("a name");
    let source = Arc::clone(registry.named(&name).expect("configured"));
    (sandbox, source)
}

#[tokio::test]
async fn scenarios_deleted_assets_are_listed_without_an_order() {
    let (sandbox, source) = client(Provider::Scenario).await;
    let deleted = ScenarioParameters {
        deleted: true,
        ..ScenarioParameters::default()
    };
    sandbox.scenario.recorder.clear();
    let page = source.list(&request(deleted.query()), &context()).await;
    assert!(page.is_ok_and(|page| page.rows.is_empty()));
    let calls = sandbox.scenario.recorder.calls();
    assert_eq!(calls[0].query, "deleted=true&pageSize=10");
}

#[tokio::test]
async fn scenarios_token_leads_to_the_next_page_and_cannot_be_forged() {
    let (_sandbox, source) = client(Provider::Scenario).await;
    let first = source
        .list(&request(Parameters::default()), &context())
        .await
        .expect("a page");
    let next = ListRequest {
        position: Position::Token(first.next.clone().expect("a token")),
        ..request(Parameters::default())
    };
    let second = source.list(&next, &context()).await.expect("a page");
    assert!(
        second
            .rows
            .iter()
            .all(|row| first.rows.iter().all(|earlier| earlier.id() != row.id()))
    );
    let forged = ListRequest {
        position: Position::Token("Zm9yZ2Vk".into()),
        ..next
    };
    assert!(matches!(
        source.list(&forged, &context()).await,
        Err(SourceError::Rejected { status: 400, .. })
    ));
}

#[tokio::test]
async fn comfys_own_cursor_leads_to_the_next_page() {
    let (sandbox, source) = client(Provider::Comfy).await;
    let first = source
        .list(&request(Parameters::default()), &context())
        .await
        .expect("a page");
    let cursor = first.next.clone().expect("the newest contract gives one");
    let next = ListRequest {
        position: Position::Token(cursor.clone()),
        ..request(Parameters::default())
    };
    sandbox.comfy.recorder.clear();
    let second = source.list(&next, &context()).await.expect("a page");
    assert!(
        second
            .rows
            .iter()
            .all(|row| first.rows.iter().all(|earlier| earlier.id() != row.id()))
    );
    let calls = sandbox.comfy.recorder.calls();
    assert!(calls[0].query.contains(&format!("after={cursor}")));
}

#[tokio::test]
async fn an_order_that_a_list_does_not_have_is_refused_without_a_call() {
    for (provider, by) in [
        (Provider::Scenario, SortBy::Size),
        (Provider::Piktid, SortBy::UpdatedAt),
    ] {
        let (_sandbox, source) = client(provider).await;
        let selection = ListSelection::Provider {
            listing: ListKind::Own,
            parameters: &Parameters::default(),
            filter: &asset_gateway::source::Filter::default(),
        };
        assert_eq!(
            source.plan(selection, by),
            Err(NoCall::Unsupported("it has no such order"))
        );
        let mut other = request(Parameters::default());
        other.order.by = by;
        assert!(matches!(
            source.list(&other, &context()).await,
            Err(SourceError::Unsupported(_))
        ));
    }
}
