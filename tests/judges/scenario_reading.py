"""Scenario's reads: lists, reads by id, search, and what is public."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scenario_sdk import types
from scenario_sdk.pagination import SyncSearchHitsOffset

import wire
from judge import Report, expect, expect_equal, expect_same
from scenario_client import (
    HIDDEN,
    LOCKED_OUT,
    REFUSED,
    Asset,
    AssetPage,
    Scenario,
    expect_sorted,
    ids,
    plain,
    refused,
)


HitPage = SyncSearchHitsOffset[types.SearchAssetSearchResponse]


def present(value: str | None) -> list[str]:
    """The value as a list, empty when there is none."""
    return [] if value is None else [value]


FILTERS: dict[str, Callable[[Asset], list[str]]] = {
    "author_id": lambda a: [a.author_id],
    "collection_id": lambda a: a.collection_ids,
    "inference_id": lambda a: present(a.metadata.inference_id),
    "model_id": lambda a: present(a.metadata.api_model_id),
    "parent_asset_id": lambda a: present(a.metadata.parent_id),
    "root_asset_id": lambda a: present(a.metadata.root_parent_id),
    "type": lambda a: [a.metadata.type],
    # `public` is everybody's: see the public list.
    "privacy": lambda a: [a.privacy] if a.privacy != "public" else [],
}
"""Parameters of the list, and the values of an asset that each looks at."""

WINDOWS = [
    ("creation", ("createdAt", "created_after", "created_before"), lambda a: a.created_at),
    ("change", ("updatedAt", "updated_after", "updated_before"), lambda a: a.updated_at),
]


class Reading:
    """Checks that change nothing."""

    def __init__(self, own: Scenario, public: Scenario) -> None:
        self.own = own
        self.public = public
        self.all: list[Asset] = []

    def walk(self) -> str:
        """All assets in pages of 100; the other checks hold theirs against them."""
        pages = self.own.pages(page_size=100, sort_by="createdAt", sort_direction="desc")
        expect("nextPaginationToken" not in self.own.tape.json(), "the last page has a token")
        expect(len(pages) > 1, "one page: nothing was walked")
        self.all = [asset for page in pages for asset in page]
        expect_equal("the number of different ids", len(ids(self.all)), len(self.all))
        expect_sorted(self.all, lambda a: a.created_at, descending=True)
        return f"{len(self.all)} in {len(pages)} pages"

    def small_pages(self) -> str:
        """The other way round, in pages of seven."""
        pages = self.own.pages(page_size=7, sort_by="createdAt", sort_direction="asc")
        expect_equal("pages by size", {len(page) for page in pages[:-1]}, {7})
        assets = [asset for page in pages for asset in page]
        expect_sorted(assets, lambda a: a.created_at, descending=False)
        expect_equal("the number of assets", len(assets), len(self.all))
        expect_same("what both ways show", ids(assets), ids(self.all))
        return f"{len(assets)} in {len(pages)} pages"

    def default_page(self) -> str:
        """Fifty when nothing is said."""
        page = self.own.sdk.assets.list()
        expect_equal("a page's size", len(self.own.tape.faithful(page, AssetPage).assets), 50)
        return "50"

    def updates(self) -> str:
        """Sorted by change, both ways."""
        for direction in ("desc", "asc"):
            found = self.own.listed(page_size=100, sort_by="updatedAt", sort_direction=direction)
            expect_sorted(found, lambda a: a.updated_at, descending=direction == "desc")
            expect_same("what is found", ids(found), ids(self.all))
        return f"{len(self.all)} each way"

    def filters(self, name: str, value_of: Callable[[Asset], Iterable[str]]) -> str:
        """A filter gives all assets that have the value, and no others."""
        values = sorted({value for asset in self.all for value in value_of(asset)})
        expect(values, "no asset has such a value: nothing was judged")
        for value in values:
            found = self.own.listed(page_size=100, **{name: value})
            fitting = ids(asset for asset in self.all if value in value_of(asset))
            expect_same(f"{name}={value} finds", ids(found), fitting)
        return f"{len(values)} values"

    def several_types(self) -> str:
        """`types` is any of them, joined by commas."""
        wanted = sorted({asset.metadata.type for asset in self.all})[:3]
        found = self.own.listed(page_size=100, types=wanted)
        fitting = ids(asset for asset in self.all if asset.metadata.type in wanted)
        expect_same("what is found", ids(found), fitting)
        return f"{len(found)} of {', '.join(wanted)}"

    def deleted_rule(self) -> str:
        """`deleted` goes with no other filter and no order."""
        refused(
            "deleted with an order",
            REFUSED,
            lambda: self.own.listed(deleted=True, sort_by="createdAt"),
        )
        return "refused"

    def window(self, sort: str, after: str, before: str, key: Callable[[Asset], str]) -> str:
        """Both bounds are exclusive, and go with their own order."""
        times = sorted({key(asset) for asset in self.all})
        low, high = times[len(times) // 4], times[len(times) // 2]
        found = self.own.listed(sort_by=sort, **{after: low, before: high})
        fitting = ids(asset for asset in self.all if low < key(asset) < high)
        expect(fitting, "the window is empty: nothing was judged")
        expect_same("what is found", ids(found), fitting)
        refused(f"{after} without its order", REFUSED, lambda: self.own.listed(**{after: low}))
        return f"{len(found)} between {low} and {high}"

    def type_rule(self) -> str:
        """`type` and `types` exclude each other."""
        both = {"type": "uploaded", "types": ["uploaded"]}
        refused("type with types", REFUSED, lambda: self.own.listed(**both))
        return "refused"

    def project(self) -> str:
        """The key's own project may be named."""
        owner = self.all[0].owner_id
        found = self.own.listed(page_size=100, project_id=owner)
        expect_equal("owners", {asset.owner_id for asset in self.all}, {owner})
        expect_same("what is found", ids(found), ids(self.all))
        return owner

    def originals(self) -> str:
        """`originalAssets` gives the same assets with the addresses of the files as they are."""
        found = self.own.listed(page_size=100, original_assets=True)
        expect_same("what is found", ids(found), ids(self.all))
        kinds = {asset.kind: asset for asset in found if asset.status == "success"}
        for asset in kinds.values():
            size = len(self.own.load(asset.url))
            expect_equal(f"the size of {asset.id}'s file", size, asset.properties.size)
        return f"{len(found)}; files of {len(kinds)} kinds are as large as they say"

    def lineage(self) -> str:
        """What an asset points at is there."""
        known = {asset.id: asset for asset in self.all}
        pointed = [
            target
            for asset in self.all
            for target in (asset.metadata.parent_id, asset.metadata.root_parent_id)
            if target is not None
        ]
        pointed += [asset.preview.asset_id for asset in self.all if asset.preview is not None]
        expect(pointed, "nothing points anywhere: nothing was judged")
        found = known.keys() | ids(self.own.bulk([t for t in set(pointed) if t not in known]))
        expect(found >= set(pointed), f"{len(set(pointed) - found)} point at nothing")
        return f"{len(pointed)} links"

    def vocabulary(self) -> str:
        """What is said twice is said the same."""
        for asset in self.all:
            expect_equal(f"{asset.id}'s metadata.kind", asset.metadata.kind, asset.kind)
            if asset.metadata.width is not None:
                shape = (asset.metadata.width, asset.metadata.height)
                own = (asset.properties.width, asset.properties.height)
                expect_equal(f"{asset.id}'s width and height", own, shape)
        return f"kinds {', '.join(sorted({asset.kind for asset in self.all}))}"

    def one(self) -> str:
        """A read by id is the list's row."""
        for asset in self.all[:10]:
            expect_equal(asset.id, plain(self.own.get(asset.id)), plain(asset))
        refused("an unknown id", HIDDEN, lambda: self.own.get("asset_nobody"))
        return "10, and none for an unknown id"

    def extras(self) -> str:
        """Embedding and the details of quality come when asked for, and only then."""
        asset_id = self.all[0].id
        usual = self.own.get(asset_id)
        expect(usual.embedding is None, "an embedding nobody asked for")
        more = self.own.get(
            asset_id,
            with_embedding=True,
            with_quality_gate_details=True,
            original_assets=True,
            project_id=usual.owner_id,
        )
        expect(more.embedding, "no embedding")
        expect(more.quality_gate is not None and more.quality_gate.details, "no details")
        return f"an embedding of {len(more.embedding)} numbers, quality gate with details"

    def get_bulk(self) -> str:
        """Up to 200, in any order, the same as in the list."""
        wanted = {asset.id: plain(asset) for asset in self.all[:199]}
        found = self.own.bulk([*wanted, "asset_nobody"])
        expect_equal("the number of assets", len(found), len(wanted))
        for asset in found:
            expect_equal(asset.id, plain(asset), wanted[asset.id])
        refused("201 ids", REFUSED, lambda: self.own.bulk(["asset_nobody"] * 201))
        return f"{len(found)} of 200 ids, one of them unknown"

    def search(self, **parameters: object) -> list[types.SearchAssetSearchResponse]:
        """All hits, walked by the SDK's own pager."""
        first = self.own.sdk.search.asset_search(**parameters)
        hits = []
        for page in first.iter_pages():
            hits += self.own.tape.faithful(page, HitPage).hits
        expect(page.estimated_total_hits >= len(hits), "the estimate is below the hits")
        expect_equal("the number of different ids", len(ids(hits)), len(hits))
        return hits

    def searches(self) -> str:
        """As the gateway asks: newest first, by words alone."""
        hits = self.search(
            query="fox",
            limit=5,
            offset=0,
            sort_by=["createdAt:desc"],
            query_semantic_ratio=0,
            image_semantic_ratio=0,
        )
        expect(len(hits) > 5, "one page: nothing was walked")
        expect_sorted(hits, lambda hit: hit.created_at, descending=True)
        expect(ids(hits) <= ids(self.all), "hits that the list does not have")
        expect("fox" in str(self.own.get(hits[0].id).to_dict()).lower(), "a hit without the word")
        return f"{len(hits)} hits"

    def hits_agree(self) -> str:
        """A hit says of its asset what the asset says of itself."""
        assets = {asset.id: asset for asset in self.all}
        named = {asset.kind: asset.metadata.name for asset in self.all if asset.metadata.name}
        found = {kind: self.search(query=name, limit=100) for kind, name in named.items()}
        for kind, hits in found.items():
            there = {assets[hit.id].kind for hit in hits}
            expect(kind in there, f"an asset of kind {kind} is not found by its name")
        all_hits = [hit for hits in found.values() for hit in hits]
        faults = [fault for hit in all_hits for fault in disagreements(hit, assets[hit.id])]
        expect(not faults, wire.tally(faults))
        return f"{len(all_hits)} hits of {len(found)} kinds"

    def search_pages(self) -> str:
        """By number of page, and oldest first."""
        body = {"query": "fox", "hits_per_page": 3, "sort_by": ["createdAt:asc"]}
        pages = [self.own.sdk.search.asset_search(page=n, **body).hits for n in (1, 2)]
        hits = [hit for page in pages for hit in page]
        expect_equal("the number of different ids", len(ids(hits)), 6)
        expect_sorted(hits, lambda hit: hit.created_at, descending=False)
        return "2 pages of 3"

    def public_search(self) -> str:
        """Public hits are public."""
        hits = self.search(query="concept", public=True, limit=100, offset=0)
        expect_equal("privacy", {hit.privacy for hit in hits}, {"public"})
        return f"{len(hits)} hits"

    def empty_search(self) -> str:
        """A search needs something to search for."""
        refused("an empty search", REFUSED, lambda: self.own.sdk.search.asset_search(limit=1))
        return "refused"

    def public_list(self) -> str:
        """The literal word instead of a key opens the public assets, all of them."""
        seen = self.public.listed(page_size=100)
        expect_equal("privacy", {asset.privacy for asset in seen}, {"public"})
        by_key = self.own.listed(page_size=100, privacy="public")
        expect_same("what a key sees of them", ids(by_key), ids(seen))
        expect(ids(seen) - ids(self.all), "none is somebody else's: nothing was judged")
        return f"{len(seen)}, {len(ids(seen) - ids(self.all))} of others"

    def public_tags(self) -> str:
        """Tags filter public assets: all of them must be there."""
        seen = self.public.listed(page_size=100)
        for tags in (["concept"], ["concept", "Showcase"]):
            found = self.public.listed(page_size=100, tags=",".join(tags))
            fitting = ids(asset for asset in seen if set(tags) <= set(asset.tags))
            expect(fitting, "no asset has them: nothing was judged")
            expect_same(f"tags={','.join(tags)} finds", ids(found), fitting)
        return "one tag and two"

    def public_one(self) -> str:
        """Public assets can be read without a key; others cannot, and nothing can be written."""
        for asset in self.public.listed(page_size=100):
            expect_equal(asset.id, plain(self.public.get(asset.id)), plain(asset))
        private = next(asset.id for asset in self.all if asset.privacy == "private")
        nobody = (*HIDDEN, *LOCKED_OUT)
        refused("a private asset", nobody, lambda: self.public.get(private))
        refused("an upload", LOCKED_OUT, self.public.upload)
        refused("a delete", LOCKED_OUT, lambda: self.public.delete(private))
        return "read, and nothing else"

    def public_details(self) -> str:
        """What a judge of quality says of an asset is told to its project only."""
        asset_id = self.public.listed(page_size=1)[0].id
        gate = self.public.get(asset_id, with_quality_gate_details=True).quality_gate
        expect(gate is None or gate.details is None, f"{asset_id}: details without a key")
        return "none without a key"

    def deprecated(self) -> str:
        """The paths that this SDK has no more; its models must still fit."""
        client, tape = self.public.sdk, self.public.tape
        query = {"pageSize": 100, "sortBy": "createdAt"}
        page = client.get("/assets/public", cast_to=AssetPage, options={"params": query})
        seen = tape.faithful(page, AssetPage).assets
        expect_same("what is found", ids(seen), ids(self.public.listed(page_size=100)))
        path = f"/assets/public/{seen[0].id}"
        one = client.get(path, cast_to=types.AssetRetrieveResponse)
        one = tape.faithful(one, types.AssetRetrieveResponse).asset
        expect_equal(one.id, plain(one), plain(seen[0]))
        return f"{len(seen)}"

    def wrong_key(self) -> str:
        """Nothing opens without the right key."""
        stranger = Scenario(api_key="api_wrong", api_secret="wrong")
        refused("a list", LOCKED_OUT, stranger.listed)
        refused("a search", LOCKED_OUT, lambda: stranger.sdk.search.asset_search(query="fox"))
        return "refused"


def disagreements(hit: types.SearchAssetSearchResponse, asset: Asset) -> list[str]:
    """Where a hit differs from its asset. Its `metadata.type` is in the words of `source`."""
    pairs = {
        name: (getattr(hit, name), getattr(asset, name))
        for name in (
            "author_id",
            "owner_id",
            "collection_ids",
            "created_at",
            "updated_at",
            "mime_type",
            "privacy",
            "tags",
        )
    }
    pairs["metadata.type"] = (hit.metadata.type, asset.source)
    pairs["metadata.kind"] = (hit.metadata.kind, asset.kind)
    pairs["metadata.name"] = (hit.metadata.name, asset.metadata.name)
    return [
        f"{name} of a hit is {own!r}, of its asset {theirs!r}"
        for name, (own, theirs) in pairs.items()
        if own != theirs
    ]


def read(report: Report, reading: Reading) -> None:
    """Runs the checks that change nothing."""
    check, filters = report.check, reading.filters
    check("list assets", reading.walk)
    check("list the other way", reading.small_pages)
    check("list without parameters", reading.default_page)
    check("list by change", reading.updates)
    for name, value_of in FILTERS.items():
        check(f"list by {name}", lambda n=name, v=value_of: filters(n, v))
    check("list by types", reading.several_types)
    check("list refuses type with types", reading.type_rule)
    check("list refuses deleted with an order", reading.deleted_rule)
    for what, names, key in WINDOWS:
        check(f"list by time of {what}", lambda n=names, k=key: reading.window(*n, k))
    check("list by project_id", reading.project)
    check("list original assets", reading.originals)
    check("lineage and previews", reading.lineage)
    check("fields agree", reading.vocabulary)
    check("get one", reading.one)
    check("get one with everything", reading.extras)
    check("get-bulk", reading.get_bulk)
    check("search", reading.searches)
    check("search hits agree with assets", reading.hits_agree)
    check("search by page", reading.search_pages)
    check("search public assets", reading.public_search)
    check("search for nothing", reading.empty_search)
    check("public list", reading.public_list)
    check("public list by tags", reading.public_tags)
    check("public read", reading.public_one)
    check("public read of quality details", reading.public_details)
    check("deprecated public paths", reading.deprecated)
    check("wrong key", reading.wrong_key)
