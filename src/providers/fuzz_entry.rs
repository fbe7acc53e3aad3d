//! Decodes arbitrary bytes as a source's responses, for [`crate::fuzz`] and the benches.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CACHE_CONTROL};

use super::{api_client::ApiClient, common_config::CommonConfig, source_config::ProviderKind};
use crate::{
    asset::SourceName,
    settings::FreshnessOverrides,
    source::{ListKind, ListRequest, Order, Page, Parameters, Position, Row},
    upstream::{Answer, Paces, SentSecrets},
};

/// Makes the client of a source that only decodes. `None`: the URL or the system's certificates are
/// unusable.
pub fn offline_client(kind: &ProviderKind) -> Option<ApiClient> {
    let config = CommonConfig {
        name: SourceName::parse(kind.provider.word()).ok()?,
        provider: kind.provider,
        is_payment_429: kind.is_payment_429,
        former_names: Vec::new(),
        url: kind.default_url.parse().ok()?,
        ca_file: None,
        patience: std::time::Duration::from_secs(1),
        connect: std::time::Duration::from_secs(1),
        attempt: std::time::Duration::from_secs(1),
        in_flight: 1,
        freshness: FreshnessOverrides::default(),
        storage_hosts: None,
        passthrough: false,
    };
    ApiClient::new(&config, &[0; 32], &Paces::default()).ok()
}

/// Decodes bytes as a source's list and as its asset.
///
/// # Panics
/// A row is neither an asset of this source nor has an error message, or decoding every row anew
/// gives other rows.
pub fn decode(kind: &ProviderKind, bytes: &[u8]) {
    let Some(source) = (kind.decoder)() else {
        return;
    };
    let request = page_request(20, u64::from(bytes.len() as u32 % 3) * 20);
    // Any result is fine: this looks for panics.
    let _ = source.decode_asset(&answer(bytes));
    let Ok(Page { rows, .. }) = source.decode_page(answer(bytes), &request) else {
        return;
    };
    let again = source.decode_page(with_no_store(answer(bytes)), &request);
    // The second reading may set `no_store` on its assets, but must change nothing else.
    let shown = |rows: &[Row]| format!("{rows:?}").replace("no_store: true", "no_store: false");
    let again = again.map(|page| page.rows);
    assert_eq!(again.ok().as_deref().map(shown), Some(shown(&rows)));
    for row in &rows {
        assert!(row.weight() > 0);
        match row {
            Row::Asset(asset) => assert_eq!(asset.id.source.as_str(), kind.provider.word()),
            Row::Unreadable(bad) => assert!(!bad.message.is_empty()),
            Row::Gone(id, _) => assert!(!id.is_empty()),
        }
    }
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
        secrets: SentSecrets::default(),
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

/// Returns the rows of a provider's first page of 100, for `benches/parts`. Known rows are not
/// decoded again. `None` means that the page cannot be decoded.
#[must_use]
pub fn rows(kind: &ProviderKind, body: Bytes) -> Option<Vec<Row>> {
    page(kind, success(body))
}

/// Like [`rows`], but with `no-store`, so that every row is decoded.
#[must_use]
pub fn rows_uncached(kind: &ProviderKind, body: Bytes) -> Option<Vec<Row>> {
    page(kind, with_no_store(success(body)))
}

fn success(body: Bytes) -> Answer {
    Answer {
        status: StatusCode::OK,
        headers: HeaderMap::new(),
        body,
        secrets: SentSecrets::default(),
    }
}

fn page(kind: &ProviderKind, answer: Answer) -> Option<Vec<Row>> {
    let page = (kind.decoder)()?.decode_page(answer, &page_request(100, 0));
    page.ok().map(|page| page.rows)
}

/// Makes a request for the newest `length` rows after the first `offset` ones.
fn page_request(length: u32, offset: u64) -> ListRequest {
    ListRequest {
        listing: ListKind::Own,
        order: Order::NEWEST,
        after: None,
        before: None,
        position: Position::Offset(offset),
        length,
        parameters: Parameters::default(),
    }
}
