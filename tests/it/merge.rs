//! The connection over in-memory lists that change between any two calls. A whole walk neither
//! loses nor repeats an asset that exists throughout: in both directions, for every kind of paging,
//! order and filter.
//!
//! `PROPTEST_CASES=100000 cargo test --release --test it merge` runs it at length. A failure prints its
//! seed: `PROPTEST_RNG_SEED=… cargo test --test it merge` runs the same cases again.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use asset_gateway::{
    asset::{
        Asset, AssetId, Details, Kind, Media, Provider, SourceName, Status, ViewerCan, piktid,
    },
    cache::AssetCache,
    config::{CacheConfig, FreshnessOverrides},
    connection::{
        ConnectionPage, Cursor, Fingerprint, Key, List, PagePosition, PageRange, RowAnchor,
        SourceList,
    },
    source::{
        Capabilities, CredentialScope, DetailLevel, Direction, Filter, ListCall, ListKind,
        ListPlan, ListRequest, ListSelection, NoCall, Order, Page, Paging, Parameters, Position,
        RequestContext, Row, SortBy, Source, SourceError, SourceInfo, TieOrder, Unreadable,
    },
};
use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use proptest::{
    prelude::*,
    test_runner::{RngSeed, TestCaseError},
};

/// A change to a list between two calls.
#[derive(Debug, Clone)]
enum Edit {
    Insert {
        source: usize,
        time: u8,
    },
    Delete {
        source: usize,
        nth: u8,
    },
    /// Changes the sort value; without effect in lists sorted by creation time.
    Touch {
        source: usize,
        nth: u8,
        time: u8,
    },
    Fail {
        source: usize,
    },
}

/// The lists of all simulated sources, and the pending changes.
#[derive(Debug, Default)]
struct World {
    /// By source: id → sort value, in ticks.
    lists: Vec<BTreeMap<String, i64>>,
    /// Applied one at a time, before each call.
    edits: Vec<Edit>,
    /// Ids that have existed from the beginning without a change.
    steady: BTreeSet<String>,
    /// Ids whose sort value changed.
    touched: BTreeSet<String>,
    can_touch: bool,
    fresh: u32,
    calls: u32,
    failing: Option<usize>,
}

impl World {
    fn step(&mut self) {
        self.calls += 1;
        self.failing = None;
        match self.edits.pop() {
            Some(Edit::Insert { source, time }) => {
                let at = source % self.lists.len();
                self.fresh += 1;
                self.lists[at].insert(format!("n{}", self.fresh), i64::from(time));
            }
            Some(Edit::Delete { source, nth }) => {
                let at = source % self.lists.len();
                let ids: Vec<String> = self.lists[at].keys().cloned().collect();
                if let Some(id) = ids.get(usize::from(nth) % ids.len().max(1)) {
                    self.lists[at].remove(id);
                    self.steady.remove(id);
                }
            }
            Some(Edit::Touch { source, nth, time }) if self.can_touch => {
                let at = source % self.lists.len();
                let ids: Vec<String> = self.lists[at].keys().cloned().collect();
                if let Some(id) = ids.get(usize::from(nth) % ids.len().max(1)) {
                    self.lists[at].insert(id.clone(), i64::from(time));
                    self.steady.remove(id);
                    self.touched.insert(id.clone());
                }
            }
            Some(Edit::Touch { .. }) | None => {}
            Some(Edit::Fail { source }) => self.failing = Some(source % self.lists.len()),
        }
    }
}

/// One list of a world, as a `Source`.
struct Simulated {
    profile: SourceInfo,
    paging: Paging,
    index: usize,
    /// Maximum number of rows per call.
    cap: u32,
    /// Maximum number of rows per call from an odd offset (pages that cannot begin anywhere).
    reach: u32,
    /// Time filters are exclusive (Scenario) or inclusive.
    exclusive: bool,
    /// The filter's resolution: times are compared after rounding down to it.
    resolution: i64,
    /// Rows whose id length is a multiple of this are unreadable; 0 for none.
    unreadable: usize,
    /// Unreadable rows have no id either.
    nameless: bool,
    /// Claims that more rows follow, even at its end.
    overstates: bool,
    /// In that case, also repeats its last rows past its end.
    repeats: bool,
    ties: Ties,
    world: Arc<Mutex<World>>,
}

/// How a source sorts rows of the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ties {
    /// By the reversed id.
    Free,
    ById,
    /// In no particular order, although it is said to be that of the ids.
    Mistaken,
}

impl Ties {
    fn rank(self, id: &str) -> Vec<u8> {
        match self {
            Self::Free => id.bytes().rev().collect(),
            Self::ById => id.as_bytes().to_vec(),
            Self::Mistaken => blake3::hash(id.as_bytes()).as_bytes().to_vec(),
        }
    }
}

/// A tick of the simulated clocks, in microseconds.
const TICK: i64 = 1_000;

fn time(tick: i64) -> Timestamp {
    Timestamp::from_microsecond(1_700_000_000_000_000 + tick * TICK).expect("in range")
}

/// Every third asset is tagged `third`, one in about a hundred `rare`.
fn tags(id: &str) -> Vec<String> {
    let number = id
        .bytes()
        .fold(7_u64, |sum, byte| sum * 31 % 1_000_003 + u64::from(byte));
    let tagged = [("third", 3), ("rare", 97)];
    tagged
        .iter()
        .filter(|(_, every)| number.is_multiple_of(*every))
        .map(|(tag, _)| (*tag).to_owned())
        .collect()
}

impl Simulated {
    fn read(&self, request: &ListRequest) -> Result<Page, SourceError> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.step();
        if world.failing == Some(self.index) {
            return Err(SourceError::Timeout);
        }
        let round = |t: Timestamp| t.as_microsecond().div_euclid(self.resolution * TICK);
        let mut rows: Vec<(i64, String)> = world.lists[self.index]
            .iter()
            .map(|(id, tick)| (*tick, id.clone()))
            .filter(|(tick, _)| {
                let value = round(time(*tick));
                let after = request.after.is_none_or(|bound| {
                    if self.exclusive {
                        value > round(bound)
                    } else {
                        value >= round(bound)
                    }
                });
                let before = request.before.is_none_or(|bound| {
                    if self.exclusive {
                        value < round(bound)
                    } else {
                        value <= round(bound)
                    }
                });
                after && before
            })
            .collect();
        rows.sort_by_key(|(tick, id)| (*tick, self.ties.rank(id)));
        if request.order.direction == Direction::Descending {
            rows.reverse();
        }
        let by = request.order.by;
        let total = rows.len() as u64;
        let length = request.length.min(self.cap);
        let offset = match &request.position {
            Position::Start => 0,
            Position::Offset(offset) => usize::try_from(*offset).unwrap_or(usize::MAX),
            // Tokens resume after a key.
            Position::Token(token) => {
                let (tick, id) = token.split_once('|').expect("a token");
                let tick: i64 = tick.parse().expect("a token");
                let key = (tick, self.ties.rank(id));
                rows.partition_point(|(t, i)| {
                    let value = (*t, self.ties.rank(i));
                    if request.order.direction == Direction::Descending {
                        value >= key
                    } else {
                        value <= key
                    }
                })
            }
        };
        let limited = matches!(self.paging, Paging::Index { .. }) && !offset.is_multiple_of(2);
        let length = if limited {
            length.min(self.reach)
        } else {
            length
        } as usize;
        let is_past_end = matches!(self.paging, Paging::Index { .. }) && offset >= rows.len();
        let from = if is_past_end && self.overstates && self.repeats && !self.nameless {
            rows.len().saturating_sub(length)
        } else {
            offset
        };
        let page: Vec<(i64, String)> = rows.iter().skip(from).take(length).cloned().collect();
        let at_end = offset + page.len() >= rows.len();
        let last = page.is_empty() || (at_end && !self.overstates);
        let next = page
            .last()
            .filter(|_| !at_end)
            .map(|(tick, id)| format!("{tick}|{id}").into());
        Ok(Page {
            rows: page
                .into_iter()
                .map(|(tick, id)| self.row(by, tick, &id))
                .collect(),
            next,
            offset: offset as u64,
            last,
            total: Some(
                total
                    + if self.overstates && !self.repeats {
                        3
                    } else {
                        0
                    },
            ),
            is_total_exact: !self.overstates,
            fetched_at: time(0),
            can_prime_cache: false,
            no_store: true,
        })
    }

    fn row(&self, by: SortBy, tick: i64, id: &str) -> Row {
        // The times that do not sort the list run in the opposite direction.
        let (created_at, updated_at) = match by {
            SortBy::CreatedAt => (time(tick), None),
            _ => (time(1_000 - tick), Some(time(tick))),
        };
        if self.unreadable > 0 && id.len().is_multiple_of(self.unreadable) {
            return Row::Unreadable(Arc::new(Unreadable {
                upstream_id: (!self.nameless).then(|| id.into()),
                created_at: Some(created_at),
                updated_at,
                path: "assets".to_owned(),
                message: "bad".to_owned(),
            }));
        }
        let asset_id = AssetId {
            source: self.profile.name.clone(),
            upstream: id.into(),
        };
        Row::Asset(Arc::new(Asset {
            global_id: asset_id.global(),
            id: asset_id,
            provider: Provider::Piktid,
            name: Some(tick.to_string()),
            kind: Kind::Image,
            mime_type: None,
            size_bytes: None,
            width: None,
            height: None,
            duration_seconds: None,
            content_hash: None,
            created_at,
            updated_at,
            status: Status::Ready,
            visibility: None,
            created_by: None,
            tags: tags(id),
            note: None,
            media: Media::default(),
            preview: None,
            parent: None,
            root: None,
            viewer_can: ViewerCan::default(),
            details: Details::Piktid(Arc::new(piktid::Details::default())),
            raw: Box::default(),
            no_store: false,
        }))
    }
}

#[async_trait]
impl Source for Simulated {
    fn profile(&self) -> &SourceInfo {
        &self.profile
    }

    fn plan(&self, _: ListSelection<'_>, _: SortBy) -> Result<ListPlan, NoCall> {
        Ok(ListPlan {
            call: ListCall::new(ListKind::Own, Parameters::default()),
            paging: self.paging,
        })
    }

    async fn list(&self, request: &ListRequest, _: &RequestContext) -> Result<Page, SourceError> {
        self.read(request)
    }

    async fn get(
        &self,
        _: &str,
        _: DetailLevel,
        _: &RequestContext,
    ) -> Result<Arc<Asset>, SourceError> {
        Err(SourceError::NotFound)
    }

    fn get_many<'a>(
        &'a self,
        _: &'a [Arc<str>],
        _: DetailLevel,
        _: &'a RequestContext,
    ) -> BoxStream<'a, (Arc<str>, Result<Arc<Asset>, SourceError>)> {
        futures_util::stream::empty().boxed()
    }

    fn calls_to_get(&self, ids: usize, _: DetailLevel) -> usize {
        ids
    }
}

/// The behaviour of one source of a world.
#[derive(Debug, Clone)]
struct Shape {
    window: bool,
    cap: u32,
    reach: u32,
    exclusive: bool,
    resolution: i64,
    unreadable: usize,
    nameless: bool,
    overstates: bool,
    repeats: bool,
    ties: Ties,
    ticks: Vec<u8>,
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        any::<bool>(),
        7_u32..=12,
        3_u32..=7,
        any::<bool>(),
        prop_oneof![Just(1_i64), Just(4)],
        prop_oneof![4 => Just(0_usize), 1 => Just(2)],
        proptest::bool::weighted(0.2),
        any::<bool>(),
        // Few distinct times: many ties.
        prop_oneof![
            proptest::collection::vec(0_u8..60, 0..40),
            proptest::collection::vec(0_u8..4, 0..16),
            proptest::collection::vec(0_u8..4, 0..50),
        ],
        prop_oneof![
            2 => Just(Ties::Free),
            2 => Just(Ties::ById),
            1 => Just(Ties::Mistaken)
        ],
        // How many times larger calls are: ties fit one call, or do not.
        prop_oneof![Just(1_u32), Just(4)],
    )
        .prop_map(
            |(
                window,
                cap,
                reach,
                exclusive,
                resolution,
                unreadable,
                overstates,
                repeats,
                ticks,
                ties,
                times,
            )| Shape {
                window,
                cap: cap * times,
                reach: reach * times,
                exclusive,
                resolution,
                unreadable,
                nameless: false,
                overstates,
                repeats,
                ties,
                ticks,
            },
        )
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (0_usize..3, 0_u8..60).prop_map(|(source, time)| Edit::Insert { source, time }),
        (0_usize..3, any::<u8>()).prop_map(|(source, nth)| Edit::Delete { source, nth }),
        (0_usize..3, any::<u8>(), 0_u8..60).prop_map(|(source, nth, time)| Edit::Touch {
            source,
            nth,
            time
        }),
    ]
}

/// The filter of a query.
#[derive(Debug, Clone)]
enum Wanted {
    All,
    Tagged(&'static str),
    /// Sort values after the first tick and before the second.
    Within(u8, u8),
}

impl Wanted {
    fn fits(&self, id: &str, tick: i64) -> bool {
        match self {
            Self::All => true,
            Self::Tagged(tag) => tags(id).iter().any(|candidate| candidate == tag),
            Self::Within(after, before) => tick > i64::from(*after) && tick < i64::from(*before),
        }
    }

    fn filter(&self, by: SortBy) -> Filter {
        let mut filter = Filter::default();
        match self {
            Self::All => {}
            Self::Tagged(tag) => filter.tags_all = vec![(*tag).to_owned()],
            Self::Within(after, before) => {
                let bounds = [after, before].map(|tick| Some(time(i64::from(*tick))));
                if by == SortBy::CreatedAt {
                    [filter.created_after, filter.created_before] = bounds;
                } else {
                    [filter.updated_after, filter.updated_before] = bounds;
                }
            }
        }
        filter
    }
}

/// A client's query.
#[derive(Debug, Clone)]
struct Ask {
    order: Order,
    wanted: Wanted,
    forward: bool,
}

fn ask() -> impl Strategy<Value = Ask> {
    let by = prop_oneof![2 => Just(SortBy::CreatedAt), 1 => Just(SortBy::UpdatedAt)];
    let direction = prop_oneof![
        2 => Just(Direction::Descending),
        1 => Just(Direction::Ascending)
    ];
    let wanted = prop_oneof![
        3 => Just(Wanted::All),
        1 => Just(Wanted::Tagged("third")),
        1 => Just(Wanted::Tagged("rare")),
        1 => (0_u8..60, 0_u8..60).prop_map(|(a, b)| Wanted::Within(a.min(b), a.max(b))),
    ];
    (by, direction, wanted, any::<bool>()).prop_map(|(by, direction, wanted, forward)| Ask {
        order: Order { by, direction },
        wanted,
        forward,
    })
}

fn build(shapes: &[Shape], edits: Vec<Edit>, ask: &Ask) -> (List, Arc<Mutex<World>>) {
    let lists: Vec<BTreeMap<String, i64>> = shapes
        .iter()
        .enumerate()
        .map(|(source, shape)| {
            shape
                .ticks
                .iter()
                .enumerate()
                .map(|(index, tick)| (format!("s{source}-{index}"), i64::from(*tick)))
                .collect()
        })
        .collect();
    let world = Arc::new(Mutex::new(World {
        steady: lists.iter().flat_map(|list| list.keys().cloned()).collect(),
        lists,
        edits,
        can_touch: ask.order.by != SortBy::CreatedAt,
        ..World::default()
    }));
    let sources = shapes
        .iter()
        .enumerate()
        .map(|(index, shape)| {
            let source = simulated(index, shape, &world);
            SourceList {
                paging: source.paging,
                source: Arc::new(source),
                listing: ListKind::Own,
                parameters: Parameters::default(),
                local: match ask.wanted {
                    Wanted::Tagged(_) => vec![asset_gateway::source::FilterField::TagsAll],
                    _ => Vec::new(),
                },
                listed: Vec::new(),
                notes: Vec::new(),
            }
        })
        .collect();
    (build_list(sources, ask), world)
}

fn build_list(sources: Vec<SourceList>, ask: &Ask) -> List {
    List {
        sources,
        skipped: Vec::new(),
        order: ask.order,
        filter: ask.wanted.filter(ask.order.by),
        fingerprint: Fingerprint::of("test", &[]),
        asset_cache: AssetCache::new(CacheConfig::default()),
        context: Arc::new(RequestContext::new(Duration::from_secs(60), u32::MAX)),
    }
}

fn simulated(index: usize, shape: &Shape, world: &Arc<Mutex<World>>) -> Simulated {
    let resolution = u64::try_from(shape.resolution * TICK).expect("positive");
    Simulated {
        profile: SourceInfo {
            name: SourceName::parse(&format!("s{index}")).expect("a name"),
            former_names: Vec::new(),
            provider: Provider::Piktid,
            scope: CredentialScope::none(),
            patience: Duration::from_secs(30),
            freshness: FreshnessOverrides::default(),
            in_flight: 16,
            passthrough: false,
            authenticated: false,
            capabilities: Capabilities {
                tag_vocabulary: None,
                max_tags: None,
                has_exact_count: true,
                delete_effect: asset_gateway::source::DeleteEffect::Permanent,
                delete_description: "",
                max_upload_bytes: None,
                max_batch_size: 1,
            },
        },
        paging: if shape.window {
            Paging::Window {
                cap: shape.cap,
                resolution: Duration::from_micros(resolution),
            }
        } else {
            Paging::Index {
                cap: shape.cap,
                reach: shape.reach,
                ties: match shape.ties {
                    Ties::Free => TieOrder::Free,
                    Ties::ById | Ties::Mistaken => TieOrder::ById,
                },
            }
        },
        index,
        cap: shape.cap,
        reach: shape.reach,
        exclusive: shape.exclusive,
        resolution: shape.resolution,
        unreadable: shape.unreadable,
        nameless: shape.nameless,
        overstates: shape.overstates,
        repeats: shape.repeats,
        ties: shape.ties,
        world: Arc::clone(world),
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

fn decode(text: &str) -> Cursor {
    Cursor::decode(text, &Fingerprint::of("test", &[])).expect("our own cursor")
}

fn key(position: &PagePosition) -> &Key {
    match position {
        PagePosition::Key(key) => key,
        PagePosition::RowAnchor(_) => panic!("a list sorted by a time has keys"),
    }
}

/// A page of `count` rows after `from`, in the direction of the walk.
fn range<C>(forward: bool, count: usize, from: Option<C>) -> PageRange<C> {
    let (after, before) = if forward { (from, None) } else { (None, from) };
    PageRange {
        forward,
        count,
        after,
        before,
    }
}

/// The ids on a page, including unreadable rows.
fn shown(page: &ConnectionPage) -> Vec<String> {
    let unreadable = page
        .sources
        .iter()
        .flat_map(|outcome| &outcome.unreadable)
        .filter_map(|row| row.upstream_id.as_deref().map(str::to_owned));
    page.edges
        .iter()
        .map(|edge| edge.asset.id.upstream.to_string())
        .chain(unreadable)
        .collect()
}

/// Walks to the end and returns the ids of each page.
async fn walk(
    list: &List,
    forward: bool,
    counts: &[usize],
) -> Result<Vec<Vec<String>>, TestCaseError> {
    walk_lists(|_| list, forward, counts).await
}

/// Walks a list that another may replace, step by step.
async fn walk_lists<'a>(
    list_at: impl Fn(usize) -> &'a List,
    forward: bool,
    counts: &[usize],
) -> Result<Vec<Vec<String>>, TestCaseError> {
    let order = list_at(0).order.direction;
    let direction = if forward { order } else { order.reversed() };
    let mut pages = Vec::new();
    let mut from: Option<Cursor> = None;
    let mut frontier: Option<Key> = None;
    for step in 0..400 {
        let list = list_at(step);
        let range = range(forward, counts[step % counts.len()], from.clone());
        let page = list
            .page(&range)
            .await
            .map_err(|failure| TestCaseError::fail(format!("{failure:?}")))?;
        let keys: Vec<&Key> = page.edges.iter().map(|edge| key(&edge.place)).collect();
        prop_assert!(
            keys.is_sorted_by(|a, b| a.compare(b, order).is_lt()),
            "sorted, nothing twice: {keys:?}"
        );
        pages.push(shown(&page));
        let (more, far) = if forward {
            (page.has_next_page, &page.end)
        } else {
            (page.has_previous_page, &page.start)
        };
        if !more {
            return Ok(pages);
        }
        let place = far
            .clone()
            .ok_or_else(|| TestCaseError::fail("more, but no cursor"))?;
        let far = key(&place).clone();
        if let Some(before) = &frontier {
            let failed = page.sources.iter().any(|outcome| outcome.error.is_some());
            prop_assert!(
                failed || far.compare(before, direction).is_gt(),
                "a page gets somewhere"
            );
        }
        from = Some(decode(&page.cursor(&place)));
        frontier = Some(far);
    }
    Err(TestCaseError::fail("the walk does not end"))
}

/// Checks that no steady row is lost and that no row repeats.
fn check(
    pages: &[Vec<String>],
    world: &Mutex<World>,
    wanted: &Wanted,
) -> Result<(), TestCaseError> {
    let world = world.lock().unwrap_or_else(PoisonError::into_inner);
    for page in pages {
        let distinct: BTreeSet<&String> = page.iter().collect();
        prop_assert_eq!(
            distinct.len(),
            page.len(),
            "nothing twice on a page: {:?}",
            page
        );
    }
    let ids = pages.iter().flatten();
    let ids: Vec<&String> = ids.filter(|id| !world.touched.contains(*id)).collect();
    let distinct: BTreeSet<&String> = ids.iter().copied().collect();
    prop_assert_eq!(distinct.len(), ids.len(), "nothing twice: {:?}", pages);
    for (id, tick) in world.lists.iter().flatten() {
        let is_due = world.steady.contains(id) && wanted.fits(id, *tick);
        prop_assert!(
            !is_due || distinct.contains(id),
            "{} is lost: {:?}",
            id,
            pages
        );
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "shown when a test fails")]
fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_500);
    let seed = match ProptestConfig::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().hash_one(0),
    };
    println!("PROPTEST_RNG_SEED={seed}");
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_walk_over_unchanged_lists_gives_the_list_in_order(
        shapes in proptest::collection::vec(shape(), 1..4),
        counts in proptest::collection::vec(1_usize..9, 1..4),
        ask in ask(),
    ) {
        let (list, world) = build(&shapes, Vec::new(), &ask);
        let forward = run(walk(&list, true, &counts))?;
        check(&forward, &world, &ask.wanted)?;
        let backward = run(walk(&list, false, &counts))?;
        check(&backward, &world, &ask.wanted)?;
        if shapes.iter().all(|shape| shape.unreadable == 0) {
            let forward_ids: Vec<String> = forward.concat();
            let backward_ids: Vec<String> = backward.into_iter().rev().flatten().collect();
            prop_assert_eq!(&forward_ids, &backward_ids, "both directions agree");
            let world = world.lock().unwrap_or_else(PoisonError::into_inner);
            let due = world.lists.iter().flatten().filter(|(id, tick)| ask.wanted.fits(id, **tick));
            prop_assert_eq!(forward_ids.len(), due.count(), "nothing that does not fit");
        }
    }

    #[test]
    fn a_walk_loses_and_repeats_nothing_while_the_lists_change(
        shapes in proptest::collection::vec(shape(), 1..4),
        counts in proptest::collection::vec(1_usize..9, 1..4),
        edits in proptest::collection::vec(edit(), 0..40),
        ask in ask(),
    ) {
        let (list, world) = build(&shapes, edits, &ask);
        check(&run(walk(&list, ask.forward, &counts))?, &world, &ask.wanted)?;
    }

    /// The version before sorted all ties alike. Its cursors inside a tie go on in that order.
    #[test]
    fn a_walk_goes_on_from_a_cursor_of_the_version_before(
        shapes in proptest::collection::vec(shape(), 1..4),
        counts in proptest::collection::vec(1_usize..9, 1..4),
        edits in proptest::collection::vec(edit(), 0..40),
        pages_before in 1_usize..9,
        ask in ask(),
    ) {
        let (list, world) = build(&shapes, edits, &ask);
        let mut before = build_list(list.sources.clone(), &ask);
        for part in &mut before.sources {
            if let Paging::Index { ties, .. } = &mut part.paging {
                *ties = TieOrder::Free;
            }
        }
        let lists = [&before, &list];
        let pages = run(walk_lists(|step| lists[usize::from(step >= pages_before)], ask.forward, &counts))?;
        check(&pages, &world, &ask.wanted)?;
    }

    #[test]
    fn a_page_between_two_cursors_shows_exactly_the_rows_between(
        shapes in proptest::collection::vec(shape(), 1..4),
        picks in (any::<u16>(), any::<u16>()),
        counts in proptest::collection::vec(1_usize..9, 1..3),
        ask in ask(),
    ) {
        let (list, _) = build(&shapes, Vec::new(), &ask);
        let positions = run(async {
            let (mut positions, mut after) = (Vec::new(), None);
            for _ in 0..400 {
                let page = list.page(&range(true, 9, after.take())).await.expect("a page");
                positions.extend(page.edges.iter().map(|edge| {
                    (edge.asset.id.upstream.to_string(), page.cursor(&edge.place))
                }));
                match page.end.filter(|_| page.has_next_page) {
                    Some(end) => after = Some(Cursor { key: key(&end).clone(), hints: Vec::new() }),
                    None => return Some(positions),
                }
            }
            None
        });
        let Some(positions) = positions else {
            return Err(TestCaseError::fail("the walk does not end"));
        };
        if positions.len() < 2 {
            return Ok(());
        }
        let (a, b) = (usize::from(picks.0) % positions.len(), usize::from(picks.1) % positions.len());
        let (low, high) = (a.min(b), a.max(b));
        // Walks from one cursor to the other, page by page.
        let (mut shown, mut near) = (Vec::new(), decode(&positions[if ask.forward { low } else { high }].1));
        let far = decode(&positions[if ask.forward { high } else { low }].1);
        for step in 0..400 {
            let count = counts[step % counts.len()];
            let (after, before) = if ask.forward { (&near, &far) } else { (&far, &near) };
            let page_range = PageRange {
                forward: ask.forward,
                count,
                after: Some(after.clone()),
                before: Some(before.clone()),
            };
            let page = run(list.page(&page_range)).expect("a page");
            let ids: Vec<String> =
                page.edges.iter().map(|edge| edge.asset.id.upstream.to_string()).collect();
            let at = if ask.forward { shown.len() } else { 0 };
            shown.splice(at..at, ids);
            let (more, place) = if ask.forward {
                (page.has_next_page, &page.end)
            } else {
                (page.has_previous_page, &page.start)
            };
            if !more {
                break;
            }
            near = decode(&page.cursor(place.as_ref().expect("more, so a cursor")));
        }
        // A `before` that `after` has reached is ignored (Relay's ApplyCursorsToEdges).
        let end = if low == high { positions.len() } else { high };
        let due = positions.get(low + 1..end).unwrap_or_default();
        let due: Vec<String> = due.iter().map(|(id, _)| id.clone()).collect();
        prop_assert_eq!(shown, due);
    }

    #[test]
    fn wrong_hints_cost_calls_but_lose_no_assets(
        shapes in proptest::collection::vec(shape(), 1..4),
        count in 1_usize..9,
        newer in 0_u64..100,
        older in 0_u64..100,
        ask in ask(),
    ) {
        let (list, _) = build(&shapes, Vec::new(), &ask);
        let all = run(walk(&list, ask.forward, &[count]))?;
        let Some(first) = all.first().filter(|_| all.len() > 1) else { return Ok(()) };
        let (page, next) = run(async {
            let first = range(ask.forward, count, None);
            let page = list.page(&first).await.expect("a page");
            let far = if ask.forward { page.end.clone() } else { page.start.clone() }.expect("more");
            let mut cursor = decode(&page.cursor(&far));
            for hint in &mut cursor.hints {
                hint.newer = newer;
                hint.older = older;
            }
            let next = range(ask.forward, count, Some(cursor));
            (shown(&page), list.page(&next).await)
        });
        prop_assert_eq!(&page.iter().collect::<BTreeSet<_>>(), &first.iter().collect::<BTreeSet<_>>());
        let next = next.map_err(|all| TestCaseError::fail(format!("{all:?}")))?;
        let failed = next.sources.iter().any(|outcome| outcome.error.is_some());
        if !failed && shapes.iter().all(|shape| shape.unreadable == 0) {
            // Nearest first, in both directions.
            let mut got = shown(&next);
            let mut rest = all[1..].to_vec();
            if !ask.forward {
                got.reverse();
                for page in &mut rest {
                    page.reverse();
                }
            }
            let rest = rest.concat();
            prop_assert_eq!(&got, &rest[..got.len().min(rest.len())].to_vec());
        }
    }

    #[test]
    fn a_walk_by_name_loses_and_repeats_nothing_while_the_list_changes(
        shape in shape(),
        counts in proptest::collection::vec(1_usize..9, 1..4),
        edits in proptest::collection::vec(edit(), 0..40),
        purges in proptest::collection::vec(proptest::bool::weighted(0.2), 1..9),
        nameless: bool,
        ask in ask(),
    ) {
        let shape = Shape { window: false, reach: 24, cap: 30, nameless, ..shape };
        let ask = Ask {
            order: Order { by: SortBy::Name, ..ask.order },
            wanted: match ask.wanted {
                Wanted::Within(..) => Wanted::All,
                other => other,
            },
            ..ask
        };
        let unreadable = shape.unreadable;
        let (list, world) = build(&[shape], edits, &ask);
        if unreadable > 0 {
            // Unreadable rows are reported, but the test cannot detect their moves.
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            world.steady.retain(|id| !id.len().is_multiple_of(unreadable));
        }
        let (mut pages, mut from): (Vec<Vec<String>>, Option<RowAnchor>) = (Vec::new(), None);
        for step in 0..400 {
            let range = range(ask.forward, counts[step % counts.len()], from.take());
            let page = match run(list.single_source_page(&range)) {
                Ok(page) => page,
                // The anchor and its neighbours disappeared at once, or its neighbours are
                // unreadable: the client gets an error.
                Err(all)
                    if all.errors.iter().all(|(_, error)| {
                        matches!(error, SourceError::Lost | SourceError::Unavailable { status: None, .. })
                    }) =>
                {
                    return Ok(());
                }
                Err(all) => return Err(TestCaseError::fail(format!("{all:?}"))),
            };
            let ids = page.edges.iter().map(|edge| edge.asset.id.upstream.to_string());
            pages.push(ids.collect::<Vec<_>>());
            if purges[step % purges.len()] {
                // The client deletes the rows of the page.
                let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
                for edge in &page.edges {
                    world.lists[0].remove(&*edge.asset.id.upstream);
                }
            }
            let (more, position) = if ask.forward {
                (page.has_next_page, &page.end)
            } else {
                (page.has_previous_page, &page.start)
            };
            if !more {
                return check(&pages, &world, &ask.wanted);
            }
            let text = page.cursor(position.as_ref().expect("more, so a cursor"));
            prop_assert!(text.len() <= 64, "{}", text);
            from = Some(RowAnchor::decode(&text, &Fingerprint::of("test", &[])).expect("our own"));
        }
        prop_assert!(false, "the walk does not end: {:?}", pages);
    }

    #[test]
    fn a_page_between_two_name_cursors_shows_exactly_the_rows_between(
        shape in shape(),
        picks in (any::<u16>(), any::<u16>()),
        count in 1_usize..9,
        // Deletes the far cursor's row (1), the row before it (2), or the row after it (3).
        gone in 0_usize..4,
        ask in ask(),
    ) {
        let shape = Shape { window: false, reach: 24, cap: 30, unreadable: 0, ..shape };
        let ask = Ask {
            order: Order { by: SortBy::Name, ..ask.order },
            wanted: Wanted::All,
            ..ask
        };
        let (list, world) = build(&[shape], Vec::new(), &ask);
        let spot = |page: &ConnectionPage, place: &PagePosition| {
            RowAnchor::decode(&page.cursor(place), &Fingerprint::of("test", &[])).expect("our own")
        };
        let (mut positions, mut after) = (Vec::new(), None);
        loop {
            let page = run(list.single_source_page(&range(true, 9, after))).expect("a page");
            positions.extend(page.edges.iter().map(|edge| {
                (edge.asset.id.upstream.to_string(), spot(&page, &edge.place))
            }));
            if !page.has_next_page || positions.len() > 400 {
                break;
            }
            after = page.end.as_ref().map(|end| spot(&page, end));
        }
        if positions.len() < 2 {
            return Ok(());
        }
        let a = usize::from(picks.0) % positions.len();
        let b = (a + 1 + usize::from(picks.1) % (positions.len() - 1)) % positions.len();
        let (low, high) = (a.min(b), a.max(b));
        let (near, far) = if ask.forward { (low, high) } else { (high, low) };
        let mut due: Vec<String> = positions[low + 1..high].iter().map(|(id, _)| id.clone()).collect();
        let lost = match gone {
            1 => Some(far),
            2 => far.checked_sub(1),
            3 => Some(far + 1),
            _ => None,
        };
        if let Some((id, _)) = lost.filter(|lost| *lost != near).and_then(|lost| positions.get(lost)) {
            world.lock().unwrap_or_else(PoisonError::into_inner).lists[0].remove(id);
            due.retain(|due_id| due_id != id);
        }
        let (mut shown, mut at) = (Vec::new(), positions[near].1.clone());
        for _ in 0..400 {
            let (after, before) = (at.clone(), positions[far].1.clone());
            let (after, before) = if ask.forward { (after, before) } else { (before, after) };
            let page_range = PageRange { forward: ask.forward, count, after: Some(after), before: Some(before) };
            let page = run(list.single_source_page(&page_range)).expect("a page");
            let ids = page.edges.iter().map(|edge| edge.asset.id.upstream.to_string());
            let begin = if ask.forward { shown.len() } else { 0 };
            shown.splice(begin..begin, ids);
            let (more, place) = if ask.forward {
                (page.has_next_page, &page.end)
            } else {
                (page.has_previous_page, &page.start)
            };
            if !more {
                break;
            }
            at = spot(&page, place.as_ref().expect("more, so a cursor"));
        }
        prop_assert_eq!(shown, due);
    }

    #[test]
    fn a_walk_ends_while_a_source_is_down(
        shapes in proptest::collection::vec(shape(), 2..4),
        count in 1_usize..9,
        down in 0_usize..3,
        ask in ask(),
    ) {
        let down = down % shapes.len();
        let (list, world) = build(&shapes, vec![Edit::Fail { source: down }; 5_000], &ask);
        let (mut shown_ids, mut from): (BTreeSet<String>, Option<Cursor>) = (BTreeSet::new(), None);
        let mut ended = false;
        for _ in 0..200 {
            match run(list.page(&range(ask.forward, count, from.clone()))) {
                Err(failure) => {
                    let names: Vec<_> = failure.errors.iter().map(|(name, _)| name.as_str()).collect();
                    let down_name = format!("s{down}");
                    prop_assert_eq!(names, vec![down_name.as_str()]);
                    prop_assert!(from.is_some(), "a first page is data");
                    ended = true;
                    break;
                }
                Ok(page) => {
                    shown_ids.extend(shown(&page));
                    let (more, position) = if ask.forward {
                        (page.has_next_page, page.end.clone())
                    } else {
                        (page.has_previous_page, page.start.clone())
                    };
                    prop_assert!(more, "the source that is down may hold more");
                    let position = position.expect("more, so a cursor");
                    from = Some(decode(&page.cursor(&position)));
                }
            }
        }
        prop_assert!(ended, "it goes on for ever");
        let world = world.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, entries) in world.lists.iter().enumerate().filter(|(index, _)| *index != down) {
            for (id, tick) in entries {
                let is_due = ask.wanted.fits(id, *tick);
                prop_assert!(!is_due || shown_ids.contains(id), "{} of s{} is missing", id, index);
            }
        }
    }

    #[test]
    fn an_intermittent_source_loses_nothing_on_complete_pages(
        shapes in proptest::collection::vec(shape(), 2..4),
        counts in proptest::collection::vec(1_usize..9, 1..4),
        fails in proptest::collection::vec(prop_oneof![1 => (0_usize..3).prop_map(Some), 3 => Just(None)], 0..30),
    ) {
        let edits = fails.into_iter().map(|fail| match fail {
            Some(source) => Edit::Fail { source },
            None => Edit::Delete { source: 0, nth: 0 },
        }).collect();
        let ask = Ask { order: Order::NEWEST, wanted: Wanted::All, forward: true };
        let (list, world) = build(&shapes, edits, &ask);
        let mut from: Option<Cursor> = None;
        for step in 0..200 {
            let range = range(true, counts[step % counts.len()], from.clone());
            // Asks for the same page until every source answers.
            let Ok(page) = run(list.page(&range)) else { continue };
            if page.sources.iter().any(|outcome| outcome.error.is_some()) {
                continue;
            }
            let near = from.as_ref().map(|cursor| cursor.key.clone());
            let far = page.end.as_ref().map(|position| key(position).clone());
            let shown_ids: BTreeSet<String> = shown(&page).into_iter().collect();
            let world = world.lock().unwrap_or_else(PoisonError::into_inner);
            for (index, entries) in world.lists.iter().enumerate() {
                let hash = SourceName::parse(&format!("s{index}")).expect("a name").hash16();
                let ties = list.sources[index].paging.ties();
                for (id, tick) in entries.iter().filter(|(id, _)| world.steady.contains(*id)) {
                    let key = Key { time: time(*tick).as_microsecond(), source: hash, ties, id: id.as_str().into() };
                    let past = near.as_ref().is_none_or(|near| key > *near);
                    let within = !page.has_next_page || far.as_ref().is_some_and(|far| key <= *far);
                    prop_assert!(!(past && within) || shown_ids.contains(id), "{} is missing", id);
                }
            }
            drop(world);
            if !page.has_next_page {
                break;
            }
            from = Some(decode(&page.cursor(&page.end.clone().expect("more, so a cursor"))));
        }
    }
}

/// A list of `count` assets, two ticks apart.
fn in_order(count: u8, window: bool) -> Shape {
    Shape {
        window,
        cap: 12,
        reach: 12,
        exclusive: false,
        resolution: 1,
        unreadable: 0,
        nameless: false,
        overstates: false,
        repeats: false,
        ties: Ties::Free,
        ticks: (0..count).map(|tick| tick * 2).collect(),
    }
}

#[test]
fn all_rows_inserted_before_the_far_cursor_are_shown() {
    for forward in [true, false] {
        let ask = Ask {
            order: Order {
                by: SortBy::Name,
                direction: Direction::Ascending,
            },
            wanted: Wanted::All,
            forward,
        };
        let shape = Shape {
            cap: 30,
            reach: 24,
            ..in_order(60, false)
        };
        let (list, world) = build(&[shape], Vec::new(), &ask);
        let place = |page: &ConnectionPage, at: usize| {
            let text = page.cursor(&page.edges[at].place);
            RowAnchor::decode(&text, &Fingerprint::of("test", &[])).expect("our own")
        };
        let page = run(list.single_source_page(&range(true, 50, None))).expect("a page");
        let (low, high) = (place(&page, 10), place(&page, 40));
        let mut due: Vec<String> = (11..40).map(|number| format!("s0-{number}")).collect();
        {
            // Between the far cursor and its neighbour: more rows than one call returns.
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            let (tick, at) = if forward { (79, due.len()) } else { (21, 0) };
            for number in 0..40 {
                world.lists[0].insert(format!("new-{number:02}"), tick);
            }
            due.splice(at..at, (0..40).map(|number| format!("new-{number:02}")));
        }
        let (mut shown, mut near) = (Vec::new(), if forward { low.clone() } else { high.clone() });
        for _ in 0..100 {
            let (after, before) = if forward {
                (near.clone(), high.clone())
            } else {
                (low.clone(), near.clone())
            };
            let page_range = PageRange {
                forward,
                count: 5,
                after: Some(after),
                before: Some(before),
            };
            let page = run(list.single_source_page(&page_range)).expect("a page");
            let ids = page.edges.iter();
            let ids = ids.map(|edge| edge.asset.id.upstream.to_string());
            let begin = if forward { shown.len() } else { 0 };
            shown.splice(begin..begin, ids);
            let (more, end) = if forward {
                (page.has_next_page, page.edges.len().checked_sub(1))
            } else {
                (page.has_previous_page, Some(0))
            };
            if !more {
                break;
            }
            near = place(&page, end.expect("an edge"));
        }
        let sorted = |items: &[String]| {
            let mut items = items.to_vec();
            items.sort();
            items
        };
        assert_eq!(sorted(&shown), sorted(&due), "forward: {forward}");
    }
}

#[test]
fn an_asset_that_moved_between_two_calls_of_a_page_counts_once() {
    let ask = Ask {
        order: Order {
            by: SortBy::UpdatedAt,
            direction: Direction::Descending,
        },
        wanted: Wanted::All,
        forward: true,
    };
    // Between the two calls, one of the newest rows moves to the older end.
    let edits = vec![
        Edit::Touch {
            source: 0,
            nth: 19,
            time: 1,
        },
        Edit::Insert {
            source: 0,
            time: 100,
        },
    ];
    let (list, world) = build(&[in_order(20, true)], edits, &ask);
    let page = run(list.page(&range(true, 100, None))).expect("a page");
    let world = world.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(world.touched.len(), 1, "one moved");
    assert!(world.calls > 1);
    assert_eq!(page.edges.len(), world.lists[0].len());
    assert_eq!(page.total, Some(world.lists[0].len() as u64));
}
