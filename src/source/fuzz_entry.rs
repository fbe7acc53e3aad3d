//! Entry points that decode arbitrary bytes, for [`crate::fuzz`] and the benches.

use std::{path::PathBuf, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CACHE_CONTROL};

use super::{
    ListKind, ListRequest, Order, Page, Parameters, Position, Row, SourceError,
    api_client::ApiClient, comfy::Comfy, piktid::Piktid, scenario::Scenario,
};
use crate::{
    asset::{Provider, SourceName},
    config::{Config, ConfigError, SourceConfig, SourceKind},
    upstream::{Answer, Paces},
};

/// One client per provider; they only decode and make no upstream call.
struct Clients {
    scenario: Scenario,
    piktid: Piktid,
    comfy: Comfy,
}

static CLIENTS: LazyLock<Option<Clients>> = LazyLock::new(|| clients().ok());

fn clients() -> Result<Clients, ConfigError> {
    let variables = |name: &str| {
        let value = match name {
            "SCENARIO_URL" | "PIKTID_URL" | "COMFY_URL" => "http://localhost:1",
            "SCENARIO_JWT" | "PIKTID_TOKEN" | "COMFY_API_KEY" => "none",
            _ => return None,
        };
        Some(value.to_owned())
    };
    let (mut scenario, mut piktid, mut comfy) = (None, None, None);
    let client = |config: &SourceConfig| ApiClient::new(config, &[0; 32], &Paces::default());
    for config in Config::load(None::<PathBuf>, &variables)?.sources {
        let client = client(&config)?;
        match config.kind {
            SourceKind::Scenario(kind) => scenario = Some(Scenario::new(client, kind)),
            SourceKind::Piktid(kind) => piktid = Some(Piktid::new(client, &kind)),
            SourceKind::Comfy(kind) => comfy = Some(Comfy::new(client, kind)),
        }
    }
    let missing = || ConfigError("a provider has no source".to_owned());
    Ok(Clients {
        scenario: scenario.ok_or_else(missing)?,
        piktid: piktid.ok_or_else(missing)?,
        comfy: comfy.ok_or_else(missing)?,
    })
}

/// Makes a response from bytes: the first byte 0xff means 400, 0xfe means 404, any other 200.
fn answer(bytes: &[u8]) -> Answer {
    let (status, body) = match bytes.split_first() {
        Some((b'\xff', rest)) => (StatusCode::BAD_REQUEST, rest),
        Some((b'\xfe', rest)) => (StatusCode::NOT_FOUND, rest),
        _ => (StatusCode::OK, bytes),
    };
    Answer {
        status,
        headers: HeaderMap::new(),
        body: body.to_vec().into(),
    }
}

/// Adds `no-store`, so that every row is decoded anew.
fn with_no_store(answer: Answer) -> Answer {
    let no_store = HeaderValue::from_static("no-store");
    Answer {
        headers: HeaderMap::from_iter([(CACHE_CONTROL, no_store)]),
        ..answer
    }
}

/// Checks that every row is an asset of this source or has an error message. Decoding every row
/// anew must give the same rows.
fn check(bytes: &[u8], read: impl Fn(Answer) -> Result<Page, SourceError>, source: &str) {
    let Ok(Page { rows, .. }) = read(answer(bytes)) else {
        return;
    };
    let again = read(with_no_store(answer(bytes))).map(|page| page.rows);
    // The second reading may set `no_store` on its assets, but must change nothing else.
    let shown = |rows: &[Row]| format!("{rows:?}").replace("no_store: true", "no_store: false");
    assert_eq!(again.ok().as_deref().map(shown), Some(shown(&rows)));
    for row in &rows {
        assert!(row.weight() > 0);
        match row {
            Row::Asset(asset) => assert_eq!(asset.id.source.as_str(), source),
            Row::Unreadable(bad) => assert!(!bad.message.is_empty()),
            Row::Gone(id, _) => assert!(!id.is_empty()),
        }
    }
}

/// Decodes bytes as Scenario's list and as its asset.
pub fn scenario(bytes: &[u8]) {
    let Some(clients) = &*CLIENTS else { return };
    let read = |answer| clients.scenario.decode_list(answer, true);
    check(bytes, read, "scenario");
    // Any result is fine: this looks for panics.
    let _ = clients.scenario.decode_one(&answer(bytes));
}

/// Decodes bytes as PiktID's list and as its asset.
pub fn piktid(bytes: &[u8]) {
    let Some(clients) = &*CLIENTS else { return };
    let page = u64::from(bytes.len() as u32 % 3) + 1;
    let read = |answer| clients.piktid.decode_list(answer, page, 20);
    check(bytes, read, "piktid");
    let _ = clients.piktid.decode_one(&answer(bytes));
}

/// Decodes bytes as Comfy's list and as its asset.
pub fn comfy(bytes: &[u8]) {
    let Some(clients) = &*CLIENTS else { return };
    let request = first_page(20);
    let read = |answer| clients.comfy.decode_list(answer, &request, 0);
    check(bytes, read, "comfy");
    let _ = clients.comfy.decode_one(&answer(bytes));
}

/// Returns the rows of a provider's first page of 100, for `benches/parts`. Known rows are not
/// decoded again. `None` means that the page cannot be decoded.
#[must_use]
pub fn rows(provider: Provider, body: Bytes) -> Option<Vec<Row>> {
    page(provider, success(body))
}

/// Like [`rows`], but with `no-store`, so that every row is decoded.
#[must_use]
pub fn rows_uncached(provider: Provider, body: Bytes) -> Option<Vec<Row>> {
    page(provider, with_no_store(success(body)))
}

fn success(body: Bytes) -> Answer {
    Answer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body,
    }
}

fn page(provider: Provider, answer: Answer) -> Option<Vec<Row>> {
    let clients = CLIENTS.as_ref()?;
    let page = match provider {
        Provider::Scenario => clients.scenario.decode_list(answer, true),
        Provider::Piktid => clients.piktid.decode_list(answer, 1, 100),
        Provider::Comfy => clients.comfy.decode_list(answer, &first_page(100), 0),
    };
    page.ok().map(|page| page.rows)
}

/// Makes a request for the newest `length` rows.
fn first_page(length: u32) -> ListRequest {
    ListRequest {
        listing: ListKind::Own,
        order: Order::NEWEST,
        after: None,
        before: None,
        position: Position::Start,
        length,
        parameters: Parameters::default(),
    }
}

/// Whether the clients exist; without them nothing is decoded.
#[must_use]
pub fn is_ready() -> bool {
    CLIENTS.is_some() && SourceName::parse("scenario").is_ok()
}
