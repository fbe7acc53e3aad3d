//! Measures each part of a request: its document, reading and merging sources, decoding their
//! responses, caching them, and writing the response.
//!
//! `cargo bench --bench parts` runs all, `-- merge` one group, `-- memory` the memory per asset.
//! Times are of one thread. `benches/gateway` measures the whole.

#![allow(clippy::print_stdout, reason = "the bench prints a report")]

mod world;

use std::{cell::LazyCell, fs, hint::black_box, sync::Arc, time::Duration};

use asset_gateway::{
    access::Permissions,
    asset::{AssetId, GlobalId, Provider, SourceName},
    cache::{AssetCache, AssetResult, NewResponse, ResponseCache, ResponseKey, ViewerScope},
    connection::{Cursor, Fingerprint, List, PageRange, SourceList},
    providers::{fuzz_entry, kind_of},
    server::fuzz_entry::ParsedDocument,
    source::{
        DetailLevel, Filter, ListKind, ListRequest, Order, Page, Parameters, RequestContext, Source,
    },
};
use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::Instant};

use self::world::{
    AN_HOUR, INDEX, InMemory, LARGE_PAGE, WINDOW, asset_cache, assets, body, context, id, measure,
    request, runtime, time, url,
};

/// The gateway's allocator.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Number of assets in a client's page.
const PAGE: usize = 20;
/// More bytes than any benchmark here needs.
const NO_LIMIT: u64 = 1 << 40;
/// Number of cached assets in the memory test.
const CACHED_ASSETS: usize = 100_000;

fn main() {
    let selects_memory = |argument: String| argument == "--bench" || argument == "memory";
    // This runs first: later, the test would reuse freed memory and miss the growth.
    let memory = std::env::args().skip(1).all(selects_memory).then(memory);
    let mut criterion = Criterion::default()
        .without_plots()
        .nresamples(10_000)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    document(&mut criterion);
    merge(&mut criterion);
    decode(&mut criterion);
    encode(&mut criterion);
    cache(&mut criterion);
    criterion.final_summary();
    if let Some(memory) = memory {
        println!("{memory}");
    }
}

// === Documents ===

fn document(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document");
    let kinds: [(&str, fn(usize) -> String); 2] = [("list", list_text), ("20 ids", ids_text)];
    for (name, make_text) in kinds {
        let first = make_text(0);
        assert!(
            ParsedDocument::whole(&first) && ParsedDocument::find(first.clone()),
            "{name}"
        );
        group.bench_function(BenchmarkId::new("parse", name), |b| {
            b.iter(|| ParsedDocument::parse(black_box(&first)));
        });
        group.bench_function(BenchmarkId::new("unknown", name), |b| {
            b.iter(|| ParsedDocument::whole(black_box(&first)));
        });
        group.bench_function(BenchmarkId::new("known", name), |b| {
            b.iter_batched(
                || first.clone(),
                ParsedDocument::find,
                BatchSize::SmallInput,
            );
        });
    }
}

/// Returns a query like Relay's; the operation's name is new each time.
fn list_text(number: usize) -> String {
    format!(
        "query List{number}($n: Int, $a: String) {{ assets(first: $n, after: $a) {{ edges {{ cursor node {{ \
         id name kind createdAt tags thumbnailUrl source {{ name }} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    )
}

/// Returns a query like those of clients without variables; each id is new each time.
fn ids_text(number: usize) -> String {
    let source = SourceName::parse("comfy").expect("a name");
    let fields: String = (0..PAGE)
        .map(|index| {
            let upstream = id(Provider::Comfy, number * PAGE + index).into();
            let source = source.clone();
            let id = GlobalId::Asset(AssetId { source, upstream });
            format!("a{index}: asset(id: \"{id}\") {{ id name kind }} ")
        })
        .collect();
    format!("{{ {fields}}}")
}

// === Merging ===

fn merge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge");
    let runtime = runtime();
    for count in [1, 3, 6, 12] {
        let list = LazyCell::new(|| list(count, 1_000));
        group.bench_function(BenchmarkId::new("sources", count), |b| {
            let (list, range) = (&*list, range(PAGE, None));
            measure(b, &runtime, || list.page(&range));
        });
    }
    let list = LazyCell::new(|| list(3, 12_000));
    for depth in [0, 100, 1_000, 10_000] {
        let cursor = LazyCell::new(|| runtime.block_on(cursor_at(&list, depth)));
        group.bench_function(BenchmarkId::new("depth", depth), |b| {
            let (list, range) = (&*list, range(PAGE, cursor.clone()));
            measure(b, &runtime, || list.page(&range));
        });
        if depth == 0 {
            continue;
        }
        // A cursor lacks hints after a source was added: the list must search for its position.
        group.bench_function(BenchmarkId::new("depth without hints", depth), |b| {
            let key = cursor.as_ref().map(|position| position.key.clone());
            let hints = Vec::new();
            let (list, range) = (&*list, range(PAGE, key.map(|key| Cursor { key, hints })));
            measure(b, &runtime, || list.page(&range));
        });
    }
}

/// Creates sources whose assets alternate. Every other one pages by time; nothing is cached.
fn list(sources: usize, rows: usize) -> List {
    let source_list = |nth: usize| {
        let numbers = (0..rows).map(|row| row * sources + nth);
        let source = InMemory {
            paging: if nth.is_multiple_of(2) { INDEX } else { WINDOW },
            can_prime_cache: false,
            ..InMemory::new(&format!("s{nth}"), assets(Provider::Piktid, numbers))
        };
        SourceList {
            paging: source.paging,
            source: Arc::new(source),
            listing: ListKind::Own,
            parameters: Parameters::default(),
            local: Vec::new(),
            listed: Vec::new(),
            notes: Vec::new(),
        }
    };
    List {
        sources: (0..sources).map(source_list).collect(),
        skipped: Vec::new(),
        order: Order::NEWEST,
        filter: Filter::default(),
        fingerprint: Fingerprint::of("assets", &[]),
        asset_cache: asset_cache(NO_LIMIT, Duration::ZERO, Duration::ZERO),
        context: context(),
    }
}

fn range(count: usize, after: Option<Cursor>) -> PageRange<Cursor> {
    PageRange {
        forward: true,
        count,
        after,
        before: None,
    }
}

/// Returns the cursor, with hints, of a client that has paged to this depth.
async fn cursor_at(list: &List, depth: usize) -> Option<Cursor> {
    let mut cursor = None;
    for _ in 0..depth / LARGE_PAGE {
        let range = range(LARGE_PAGE, cursor);
        let page = list.page(&range).await.expect("the sources never fail");
        assert_eq!(page.edges.len(), LARGE_PAGE);
        let end = page.end.as_ref().expect("more assets follow");
        let text = page.cursor(end);
        cursor = Some(Cursor::decode(&text, &list.fingerprint).expect("a cursor of this list"));
    }
    cursor
}

// === Bytes to assets, and answers to bytes ===

fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for provider in Provider::ALL {
        let body = body(provider, 0..LARGE_PAGE);
        let kind = kind_of(provider).expect("a registered provider");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(BenchmarkId::new("100 assets", provider.word()), |b| {
            b.iter(|| {
                fuzz_entry::rows_uncached(kind, black_box(&body).clone()).map(|rows| rows.len())
            });
        });
        group.bench_function(BenchmarkId::new("100 assets again", provider.word()), |b| {
            b.iter(|| fuzz_entry::rows(kind, black_box(&body).clone()).map(|rows| rows.len()));
        });
    }
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    let nodes: Vec<Value> = (0..PAGE)
        .map(|number| {
            json!({
                "id": id(Provider::Comfy, number), "name": format!("asset_{number:05}.png"),
                "kind": "IMAGE", "mimeType": "image/png", "size": 1_000_000 + number,
                "width": 1024, "height": 1024, "createdAt": time(number).to_string(),
                "tags": ["output", "product"], "thumbnail": url(Provider::Comfy, number),
            })
        })
        .collect();
    let answer = json!({ "assets": { "nodes": nodes } });
    let answer = async_graphql::Value::from_json(answer).expect("an answer");
    let bytes = serde_json::to_vec(&answer).expect("an answer");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("20 assets", |b| {
        b.iter(|| serde_json::to_vec(black_box(&answer)));
    });
}

// === The cache ===

/// A large step between accesses, so that consecutive keys are seldom near each other.
const STRIDE: usize = 7_919;

fn cache(criterion: &mut Criterion) {
    let runtime = runtime();
    for count in [1_000, 10_000, 100_000] {
        pages(criterion, &runtime, count);
        entities(criterion, &runtime, count);
        answers(criterion, count);
    }
}

/// A full cache and the source it reads. Its capacity hardly exceeds its content, so that further
/// inserts leave it equally full.
struct FilledCache {
    asset_cache: Arc<AssetCache>,
    source: Arc<dyn Source>,
    context: Arc<RequestContext>,
    until: Instant,
}

impl FilledCache {
    fn new(source: InMemory, assets: usize, pages: Duration, entities: Duration) -> Self {
        let heaviest = source.assets.iter().map(|asset| asset.weight()).max();
        let bytes = assets as u64 * u64::from(heaviest.unwrap_or_default());
        Self {
            // Pages and assets have a quarter each (`CacheConfig`).
            asset_cache: asset_cache(bytes * 4, pages, entities),
            source: Arc::new(source),
            context: context(),
            until: Instant::now() + AN_HOUR,
        }
    }

    async fn page(&self, request: ListRequest) -> Arc<Page> {
        let (asset_cache, context) = (&self.asset_cache, &self.context);
        let result = asset_cache
            .page(&self.source, request, context, self.until)
            .await;
        result.expect("a page").page
    }

    async fn entities(&self, ids: Vec<Arc<str>>) {
        let (asset_cache, plain) = (&self.asset_cache, DetailLevel::Plain);
        let on_entity = |id: &str, entity: AssetResult| {
            black_box((id, entity)).1.expect("the source has the asset");
        };
        let (source, context) = (&self.source, &self.context);
        asset_cache
            .entities(source, ids, plain, context, &on_entity)
            .await;
    }
}

fn pages(criterion: &mut Criterion, runtime: &Runtime, count: usize) {
    // Requests differ by their filters.
    let request = |number: usize| {
        let parameters = Parameters::new(vec![("name", format!("{number:09}"))]);
        request(number % 900, PAGE, parameters)
    };
    let filled_cache = LazyCell::new(|| {
        let source = InMemory {
            can_prime_cache: false,
            ..InMemory::new("memory", assets(Provider::Piktid, 0..1_000))
        };
        let filled_cache = FilledCache::new(source, count * PAGE, AN_HOUR, Duration::ZERO);
        runtime.block_on(async {
            for number in 0..count {
                filled_cache.page(request(number)).await;
            }
        });
        filled_cache
    });
    let mut group = criterion.benchmark_group("cache");
    group.bench_function(BenchmarkId::new("get a page", count), |b| {
        let (filled_cache, mut index) = (&*filled_cache, 0);
        measure(b, runtime, || {
            index = (index + STRIDE) % count;
            filled_cache.page(request(index))
        });
    });
    let mut next = count;
    group.bench_function(BenchmarkId::new("put a page", count), |b| {
        let filled_cache = &*filled_cache;
        measure(b, runtime, || {
            next += 1;
            filled_cache.page(request(next))
        });
    });
}

fn entities(criterion: &mut Criterion, runtime: &Runtime, count: usize) {
    let filled_cache = LazyCell::new(|| {
        let source = InMemory::new("memory", assets(Provider::Piktid, 0..count));
        let filled_cache = FilledCache::new(source, count, Duration::ZERO, AN_HOUR);
        runtime.block_on(async {
            for offset in (0..count).step_by(LARGE_PAGE) {
                let request = request(offset, LARGE_PAGE, Parameters::default());
                assert_eq!(filled_cache.page(request).await.rows.len(), LARGE_PAGE);
            }
        });
        filled_cache
    });
    let mut group = criterion.benchmark_group("cache");
    group.bench_function(BenchmarkId::new("get 20 assets", count), |b| {
        let (filled_cache, mut index) = (&*filled_cache, 0);
        measure(b, runtime, || {
            let next = || {
                index = (index + STRIDE) % count;
                Arc::<str>::from(id(Provider::Piktid, index))
            };
            filled_cache.entities(std::iter::repeat_with(next).take(PAGE).collect())
        });
    });
    let mut next = count;
    group.bench_function(BenchmarkId::new("put an asset", count), |b| {
        let filled_cache = &*filled_cache;
        measure(b, runtime, || {
            next += 1;
            filled_cache.entities(vec![id(Provider::Piktid, next).into()])
        });
    });
}

fn answers(criterion: &mut Criterion, count: usize) {
    const BYTES: usize = 8_192;
    let key = |number: usize| ResponseKey {
        viewer_scope: ViewerScope {
            permissions: Permissions::ALL,
            scopes: None,
        },
        is_get: false,
        written: format!("{{\"query\":\"{}\"}}", list_text(number)).into(),
    };
    let sources = vec![SourceName::parse("memory").expect("a name")];
    let (answer, until) = (Arc::new(Bytes::new()), Instant::now() + AN_HOUR);
    let keep = |answers: &ResponseCache<Bytes, ()>, key: ResponseKey| {
        // The cache keeps a response only when it is requested again.
        for key in [key.clone(), key] {
            let (answer, sources) = (Arc::clone(&answer), sources.clone());
            let response = NewResponse {
                answer,
                sources,
                until,
                bytes: BYTES,
            };
            answers.keep(key, answers.read_version(), response);
        }
    };
    let filled_cache = LazyCell::new(|| {
        let asset_cache = asset_cache(NO_LIMIT, AN_HOUR, AN_HOUR);
        // Each response takes memory beside its bytes.
        let answers = ResponseCache::new(asset_cache, (count * (BYTES + 1_024)) as u64);
        (0..count).for_each(|number| keep(&answers, key(number)));
        answers
    });
    let mut group = criterion.benchmark_group("cache");
    group.bench_function(BenchmarkId::new("get an answer", count), |b| {
        let mut index = 0;
        let next = || {
            index = (index + STRIDE) % count;
            key(index)
        };
        let get = |key: ResponseKey| filled_cache.get(&key).expect("a cached response");
        b.iter_batched(next, get, BatchSize::SmallInput);
    });
    let mut number = count;
    group.bench_function(BenchmarkId::new("put an answer", count), |b| {
        let next = || {
            number += 1;
            key(number)
        };
        let put = |key: ResponseKey| keep(&filled_cache, key);
        b.iter_batched(next, put, BatchSize::SmallInput);
    });
}

// === Memory ===

/// Returns the memory that cached assets take, beside the weight that the cache assumes.
fn memory() -> String {
    let runtime = runtime();
    let mut report =
        "\n| cached assets of | bytes as sent | weight | memory |\n|---|---|---|---|".to_owned();
    // These live to the end, so that no memory is reused.
    let mut asset_caches = Vec::new();
    for provider in Provider::ALL {
        // This makes the one-time allocations, which do not count.
        drop(assets(provider, 0..LARGE_PAGE));
        let (asset_cache, context) = (asset_cache(NO_LIMIT, Duration::ZERO, AN_HOUR), context());
        let (mut sent, mut weight, before) = (0, 0, resident());
        for first in (0..CACHED_ASSETS).step_by(LARGE_PAGE) {
            let assets = assets(provider, first..first + LARGE_PAGE);
            sent += assets.iter().map(|asset| asset.raw.len()).sum::<usize>();
            weight += assets
                .iter()
                .map(|asset| asset.weight() as usize)
                .sum::<usize>();
            let source: Arc<dyn Source> = Arc::new(InMemory::new("memory", assets));
            let request = request(0, LARGE_PAGE, Parameters::default());
            let until = Instant::now() + AN_HOUR;
            let result = runtime.block_on(asset_cache.page(&source, request, &context, until));
            assert_eq!(result.expect("a page").page.rows.len(), LARGE_PAGE);
        }
        let taken = resident().saturating_sub(before);
        let [sent, weight, taken] = [sent, weight, taken].map(|bytes| bytes / CACHED_ASSETS);
        report += &format!("\n| {} | {sent} | {weight} | {taken} |", provider.word());
        asset_caches.push(asset_cache);
    }
    report
}

/// Returns the resident memory of this process, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok());
    number.expect("a number of KiB") * 1_024
}
