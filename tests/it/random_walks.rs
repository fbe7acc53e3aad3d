//! Random walks over HTTP: the gateway's own router, the emulators behind it, and changes of the
//! assets between upstream calls. Whole walks lose and repeat nothing that existed throughout.
//!
//! A failure prints its seed: `PROPTEST_RNG_SEED=… cargo test --test it walks` repeats the walks.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use asset_gateway::{
    asset::SourceName,
    sandbox::{
        ComfyAsset, Dialect, Fault, Options, PiktidAsset, Rule, ScenarioAsset, Seed, Store,
        json as raw,
    },
};
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestCaseError, TestRunner},
};
use serde_json::{Value, json};

use crate::harness::{TestGateway, texts, world_with};

/// The number of walks in `cargo test`; the variable `WALKS` overrides it.
const WALKS: u32 = 240;

/// An event before an upstream call.
#[derive(Debug, Clone)]
enum Event {
    Insert {
        source: usize,
        minute: u8,
    },
    Delete {
        source: usize,
        nth: u8,
    },
    /// The next call to this source fails.
    Fail {
        source: usize,
    },
    Nothing,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0_usize..3, any::<u8>()).prop_map(|(source, minute)| Event::Insert { source, minute }),
        3 => (0_usize..3, any::<u8>()).prop_map(|(source, nth)| Event::Delete { source, nth }),
        1 => (0_usize..3).prop_map(|source| Event::Fail { source }),
        2 => Just(Event::Nothing),
    ]
}

#[derive(Debug, Clone)]
struct Walk {
    /// The number of assets at each source.
    sizes: [usize; 3],
    /// The number of distinct creation times, one minute apart.
    minutes: u8,
    pages: Vec<usize>,
    events: Vec<Event>,
    forward: bool,
    ascending: bool,
    order: &'static str,
    filter: &'static str,
    /// Repeats a page until no source is missing; else the walk goes on without the missing ones.
    stubborn: bool,
    dialect: usize,
}

/// A number of assets, seldom more than one call returns.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 0_usize..50, 1 => 50_usize..230]
}

fn walk() -> impl Strategy<Value = Walk> {
    let span = "createdAfter: \"2026-01-01T00:20:00Z\", createdBefore: \"2026-01-01T01:40:00.5Z\"";
    let filter = prop_oneof![
        4 => Just(("CREATED_AT", "")),
        1 => Just(("CREATED_AT", "nameContains: \"Third\"")),
        1 => Just(("CREATED_AT", "nameContains: \"rare\"")),
        1 => Just(("CREATED_AT", span)),
        1 => Just(("CREATED_AT", "sources: [\"comfy\", \"scenario\"]")),
        1 => Just(("CREATED_AT", "search: \"picture\"")),
        1 => Just(("UPDATED_AT", "sources: [\"comfy\", \"scenario\"]")),
        1 => Just(("NAME", "kinds: [IMAGE], sources: [\"piktid\"]")),
        1 => Just(("SIZE", "sources: [\"comfy\"]")),
    ];
    (
        [size(), size(), size()],
        prop_oneof![Just(3_u8), Just(40), Just(200)],
        proptest::collection::vec(prop_oneof![1 => 1_usize..9, 4 => 9_usize..=100], 2..4),
        prop_oneof![
            1 => Just(Vec::new()),
            3 => proptest::collection::vec(event(), 0..60)
        ],
        any::<bool>(),
        any::<bool>(),
        filter,
        proptest::bool::weighted(0.7),
        0_usize..3,
    )
        .prop_map(
            |(sizes, minutes, pages, events, forward, ascending, ask, stubborn, dialect)| Walk {
                sizes,
                minutes,
                pages,
                events,
                forward,
                ascending,
                order: ask.0,
                filter: ask.1,
                stubborn,
                dialect,
            },
        )
}

/// 2026-01-01T00:00:00Z in milliseconds.
const START: i64 = 1_767_225_600_000;
const NAMES: [&str; 3] = ["scenario", "piktid", "comfy"];
/// The index of Comfy in [`NAMES`].
const COMFY: usize = 2;

fn name(number: usize) -> String {
    let third = if number.is_multiple_of(3) {
        " third"
    } else {
        ""
    };
    let rare = if number == 77 { " rare" } else { "" };
    format!("picture {number}{third}{rare}.png")
}

fn insert(store: &Store, source: usize, id: &str, minute: i64, number: usize) {
    let created = START + minute * 60_000;
    // One asset in forty is unreadable.
    let bad = number % 40 == 39;
    let broken = |field: &str| {
        bad.then(|| (field.to_owned(), raw("{\"no\": \"text\"}")))
            .into_iter()
            .collect::<BTreeMap<_, _>>()
    };
    match source {
        0 => store.scenario().push(ScenarioAsset {
            id: id.to_owned(),
            created,
            updated: created,
            owner_id: "proj_sandbox".to_owned(),
            kind: "image".to_owned(),
            asset_type: "uploaded".to_owned(),
            source: "uploaded".to_owned(),
            privacy: "private".to_owned(),
            status: "success".to_owned(),
            name: Some(name(number)),
            overrides: broken("mimeType"),
            ..ScenarioAsset::default()
        }),
        1 => store.piktid().push(PiktidAsset {
            id: id.to_owned(),
            filename: name(number),
            created: created * 1_000,
            created_by: "ada".to_owned(),
            visibility: "private".to_owned(),
            overrides: broken("filename"),
            ..PiktidAsset::default()
        }),
        _ => store.comfy().push(ComfyAsset {
            id: id.to_owned(),
            name: name(number),
            created: created * 1_000,
            updated: created * 1_000,
            mime_type: Some("image/png".to_owned()),
            tags: vec!["input".to_owned()],
            overrides: broken("mime_type"),
            ..ComfyAsset::default()
        }),
    }
}

/// Source, id, creation time in milliseconds and readability of every asset.
fn stored(store: &Store) -> Vec<(usize, String, i64, bool)> {
    let mut assets = Vec::new();
    for a in store.scenario().iter() {
        assets.push((0, a.id.clone(), a.created, a.overrides.is_empty()));
    }
    for a in store.piktid().iter() {
        assets.push((1, a.id.clone(), a.created / 1_000, a.overrides.is_empty()));
    }
    for a in store.comfy().iter() {
        assets.push((2, a.id.clone(), a.created / 1_000, a.overrides.is_empty()));
    }
    assets
}

fn delete(store: &Store, source: usize, id: &str) {
    match source {
        0 => store.scenario().retain(|a| a.id != id),
        1 => store.piktid().retain(|a| a.id != id),
        _ => store.comfy().retain(|a| a.id != id),
    }
}

/// Ids that have existed from the beginning and still do: the walk must show them.
type Steady = Arc<Mutex<BTreeSet<String>>>;

/// Fills the store and installs the events.
fn prepare(world: &TestGateway, walk: &Walk) -> Steady {
    let store = Arc::clone(&world.sandbox.store);
    let emulators = [
        &world.sandbox.scenario,
        &world.sandbox.piktid,
        &world.sandbox.comfy,
    ];
    for emulator in emulators {
        emulator.faults.clear();
        emulator.recorder.clear();
    }
    store.scenario().clear();
    store.piktid().clear();
    store.comfy().clear();
    for (source, size) in walk.sizes.into_iter().enumerate() {
        for number in 0..size {
            let minute = (number as i64 * 7919) % i64::from(walk.minutes);
            // Comfy's routes match UUIDs only.
            let id = format!("{source:08x}-0000-4000-8000-{number:012x}");
            insert(&store, source, &id, minute, number);
        }
    }
    let steady: Steady = Arc::new(Mutex::new(
        stored(&store).into_iter().map(|(_, id, _, _)| id).collect(),
    ));
    let events = Arc::new(Mutex::new((walk.events.clone(), 0_usize)));
    for emulator in emulators {
        let (store, steady, events) = (Arc::clone(&store), steady.clone(), Arc::clone(&events));
        let (minutes, own) = (
            walk.minutes,
            [0, 1, 2].map(|n| Arc::clone(&emulators[n].faults)),
        );
        emulator.faults.before_each(move || {
            let mut events = events.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = events.1;
            match events.0.pop() {
                Some(Event::Insert { source, minute }) => {
                    events.1 += 1;
                    let id = format!("{source:08x}-ffff-4000-8000-{fresh:012x}");
                    insert(&store, source, &id, i64::from(minute % minutes), fresh);
                }
                Some(Event::Delete { source, nth }) => {
                    let candidates: Vec<_> = stored(&store)
                        .into_iter()
                        .filter(|(own, ..)| *own == source)
                        .collect();
                    if let Some((_, id, ..)) =
                        candidates.get(usize::from(nth) % candidates.len().max(1))
                    {
                        delete(&store, source, id);
                        steady
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .remove(id);
                    }
                }
                Some(Event::Fail { source }) => own[source].push(Rule {
                    // Matches searches and batch reads too.
                    beginning: String::new(),
                    times: Some(1),
                    // A status that the gateway does not retry.
                    fault: Fault::Answer {
                        status: 403,
                        content_type: "text/plain",
                        body: "not now".to_owned(),
                    },
                }),
                Some(Event::Nothing) | None => {}
            }
        });
    }
    steady
}

/// Whether an asset of the store matches the walk's filter.
fn fits(filter: &str, source: usize, id: &str, created: i64) -> bool {
    let number = usize::from_str_radix(&id[24..], 16).expect("a number");
    let minute = (created - START) / 60_000;
    match filter {
        "" => true,
        f if f.contains("Third") => name(number).contains("third"),
        f if f.contains("rare") => name(number).contains("rare"),
        f if f.contains("created") => minute > 20 && minute <= 100,
        f if f.contains("piktid") => source == 1,
        f if f.contains("search") => true,
        f if f.contains("scenario") => source != 1,
        _ => source == 2,
    }
}

/// The result of a walk.
#[derive(Default)]
struct Shown {
    /// In the list's order.
    ids: Vec<String>,
    unreadable: Vec<String>,
    /// Sources that failed on a page after which the walk continued.
    missing: BTreeSet<String>,
    /// The position was lost, and the gateway reported it (`BAD_CURSOR`).
    lost: bool,
}

/// The number of list calls that one page may cost: five. PiktID's pages begin at multiples of
/// their size, so a call is sure of 40 rows only: many assets of one creation time cost more calls.
fn budget(store: &Store, source: &str) -> u64 {
    if source != "piktid" {
        return 5;
    }
    let mut groups = BTreeMap::<i64, u64>::new();
    for asset in store.piktid().iter() {
        *groups.entry(asset.created).or_default() += 1;
    }
    let largest = groups.into_values().max().unwrap_or(0);
    // A group may have shrunk since it was read. The position may lie behind one group, and the
    // next group may be as large.
    if largest < 35 { 5 } else { 6 + largest / 20 }
}

async fn run_walk(world: &TestGateway, walk: &Walk, forward: bool) -> Result<Shown, TestCaseError> {
    let mut shown = Shown::default();
    let (mut from, mut step) = (String::new(), 0);
    let direction = if walk.ascending { "ASC" } else { "DESC" };
    for _ in 0..2_000 {
        let size = walk.pages[step % walk.pages.len()];
        let paging = if forward { "first" } else { "last" };
        let answer = world
            .ask(&format!(
                "{{ assets({paging}: {size} {from}, orderBy: {{field: {}, direction: {direction}}}, \
                 filter: {{ {} }}) {{ edges {{ cursor node {{ upstreamId }} }} \
                 pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} \
                 sourceResults {{ source {{ name }} status execution {{ calls }} \
                 unreadableAssets {{ upstreamId }} }} }} }}",
                walk.order, walk.filter
            ))
            .await;
        let page = &answer["data"]["assets"];
        let sources = page["sourceResults"].as_array();
        if answer["errors"][0]["extensions"]["code"] == "BAD_CURSOR" && walk.order == "NAME" {
            shown.lost = true;
            return Ok(shown);
        }
        let missing: BTreeSet<String> = sources
            .into_iter()
            .flatten()
            .filter(|source| source["status"] == "FAILED")
            .filter_map(|source| Some(source["source"]["name"].as_str()?.to_owned()))
            .collect();
        // Repeats the page, or continues without the missing sources.
        if page.is_null() || (walk.stubborn && !missing.is_empty()) {
            continue;
        }
        shown.missing.extend(missing);
        for source in sources.into_iter().flatten() {
            let calls = source["execution"]["calls"].as_u64().unwrap_or(u64::MAX);
            let name = source["source"]["name"].as_str();
            let budget = budget(&world.sandbox.store, name.unwrap_or_default());
            prop_assert!(calls <= budget, "{} of {}", source, budget);
            shown
                .unreadable
                .extend(texts(&source["unreadableAssets"], "/upstreamId"));
        }
        let mut ids = texts(&page["edges"], "/node/upstreamId");
        for cursor in texts(&page["edges"], "/cursor") {
            prop_assert!(cursor.len() <= 64, "{}", cursor);
        }
        let info = &page["pageInfo"];
        let (more, cursor) = if forward {
            shown.ids.append(&mut ids);
            (&info["hasNextPage"], &info["endCursor"])
        } else {
            ids.append(&mut shown.ids);
            shown.ids = ids;
            (&info["hasPreviousPage"], &info["startCursor"])
        };
        if more == &json!(false) {
            return Ok(shown);
        }
        let Value::String(cursor) = cursor else {
            return Err(TestCaseError::fail(format!("more, but no cursor: {page}")));
        };
        let side = if forward { "after" } else { "before" };
        from = format!("{side}: \"{cursor}\"");
        step += 1;
    }
    Err(TestCaseError::fail("the walk does not end"))
}

/// The expected ids of the list: by time, source and id. ComfyUI sorts equal times by id, in the
/// direction of the list.
fn in_order(store: &Store, walk: &Walk) -> Vec<String> {
    let mut rows: Vec<_> = stored(store)
        .into_iter()
        .filter(|(source, id, created, is_readable)| {
            *is_readable && fits(walk.filter, *source, id, *created)
        })
        .map(|(source, id, created, _)| {
            let name = SourceName::parse(NAMES[source]).expect("a name");
            (-created, name.hash16(), source, id)
        })
        .collect();
    rows.sort_by(|a, b| {
        let by_id = if a.2 == COMFY {
            b.3.cmp(&a.3)
        } else {
            a.3.cmp(&b.3)
        };
        (a.0, a.1).cmp(&(b.0, b.1)).then(by_id)
    });
    if walk.ascending {
        rows.reverse();
    }
    rows.into_iter().map(|(.., id)| id).collect()
}

async fn check(world: &TestGateway, walk: &Walk) -> Result<(), TestCaseError> {
    let steady = prepare(world, walk);
    let shown = run_walk(world, walk, walk.forward).await?;
    let distinct: BTreeSet<&String> = shown.ids.iter().collect();
    prop_assert_eq!(
        distinct.len(),
        shown.ids.len(),
        "nothing twice: {:?}",
        shown.ids
    );
    let by_time = matches!(walk.order, "CREATED_AT" | "UPDATED_AT");
    if by_time {
        let distinct: BTreeSet<&String> = shown.unreadable.iter().collect();
        prop_assert_eq!(distinct.len(), shown.unreadable.len(), "no report twice");
    }
    if shown.lost {
        return Ok(());
    }
    let steady = steady
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    for (source, id, created, is_readable) in stored(&world.sandbox.store) {
        if !steady.contains(&id)
            || !fits(walk.filter, source, &id, created)
            || shown.missing.contains(NAMES[source])
        {
            continue;
        }
        let list = if is_readable {
            &shown.ids
        } else {
            &shown.unreadable
        };
        prop_assert!(list.contains(&id), "{} of {} is lost", id, NAMES[source]);
    }
    if walk.events.is_empty() {
        if by_time {
            prop_assert_eq!(&shown.ids, &in_order(&world.sandbox.store, walk));
        }
        let back = run_walk(world, walk, !walk.forward).await?;
        prop_assert_eq!(back.ids, shown.ids, "both directions agree");
    }
    Ok(())
}

#[test]
fn random_walks_lose_and_repeat_nothing_while_assets_change() {
    let defaults = ProptestConfig::default();
    let seed = match defaults.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(0),
    };
    println!("PROPTEST_RNG_SEED={seed}");
    let walks = std::env::var("WALKS").ok().and_then(|n| n.parse().ok());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let worlds = runtime.block_on(async {
        let mut worlds = Vec::new();
        for dialect in [Dialect::Local, Dialect::Published, Dialect::Newest] {
            let options = Options {
                seed: Seed::Empty,
                dialect,
                ..Options::default()
            };
            let world = world_with(options, |config| {
                config.cache.freshness.page_fresh = Duration::ZERO;
                // Enough patience for a busy machine.
                for source in &mut config.sources {
                    source.common.patience = Duration::from_secs(20);
                }
            });
            worlds.push(world.await);
        }
        worlds
    });
    let config = ProptestConfig {
        cases: walks.unwrap_or(WALKS),
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: defaults.max_shrink_iters.min(100),
        ..defaults
    };
    TestRunner::new(config)
        .run(&walk(), |walk| {
            runtime.block_on(check(&worlds[walk.dialect], &walk))
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    let _guard = runtime.enter();
    drop(worlds);
}
