#!/usr/bin/env python3
"""A gateway over a ComfyUI, held against what that server's own REST says.

    comfyui.py http://127.0.0.1:8188 [--gateway path/to/asset-gateway]

The server's key, if it wants one, is in COMFY_API_KEY. Uploads one small picture and deletes it
again; nothing else is changed. (ComfyUI forgets a deleted asset but keeps its bytes on disk.)
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from pathlib import Path

from comfy_sides import FIELDS, SOURCE, Comfy, Gateway, Json, Walk, Web, picture
from judge import (
    Report,
    Wrong,
    clean_environment,
    end_in_order,
    expect,
    expect_equal,
    expect_same,
    running,
    skip,
)

DEFAULT_GATEWAY = Path(__file__).resolve().parents[2] / "target/release/asset-gateway"
TRIES = 3
"""How often a list is compared when somebody else changes the server meanwhile."""


def moment(text: str) -> datetime:
    """A time to the millisecond; without a zone, UTC is meant."""
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    time = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def expected(row: Json) -> Json:
    """What the graph must say of a row of the server's."""
    of_server = row.get("metadata") or {}
    note = (row.get("user_metadata") or {}).get("user_description")
    return {
        "upstreamId": row["id"],
        "name": row["name"] or row["id"],
        "tags": sorted(row.get("tags") or []),
        "size": row.get("size"),
        "mimeType": row.get("mime_type"),
        "contentHash": row.get("hash") or row.get("asset_hash"),
        "note": note if note and isinstance(note, str) else None,
        "width": of_server.get("width"),
        "height": of_server.get("height"),
        "createdAt": moment(row["created_at"]),
        "updatedAt": moment(row["updated_at"]),
    }


def expected_of(rows: dict[str, Json]) -> dict[str, Json]:
    """The same of all rows: less what may change at each read, such as signed addresses."""
    return {asset_id: expected(row) for asset_id, row in rows.items()}


def said(node: Json) -> Json:
    """What the graph says, in the same form."""
    times = {name: moment(node[name]) for name in ("createdAt", "updatedAt")}
    return {name: node[name] for name in node if name != "id"} | {
        "tags": sorted(node["tags"]),
        **times,
    }


def expect_as_server(node: Json, row: Json) -> None:
    """Ends a check when the graph says otherwise than the server."""
    for name, wanted in expected(row).items():
        expect_equal(f"{row['id']}: {name}", said(node)[name], wanted)


class Judge:
    """The checks, in order: reading everything, then one asset's life."""

    def __init__(self, gateway: Gateway, comfy: Comfy) -> None:
        self.gateway = gateway
        self.comfy = comfy
        self.word = f"judged-{secrets.token_hex(6)}"
        self.content = picture()
        self.asset: Json = {}

    def merged(self) -> str:
        """`assets` is what has a listed tag."""
        walk = self.compared("assets", lambda: (self.comfy.listed(), None))
        return walk.told()

    def own_list(self) -> str:
        """`comfyAssets` is the server's list as it comes."""
        walk = self.compared("comfyAssets", self.comfy.rows)
        return f"{walk.told()}, total {walk.total}"

    def compared(self, field: str, read: Callable[[], tuple[dict[str, Json], int | None]]) -> Walk:
        """A walk, held against the server's rows; anew when those change meanwhile."""
        for _ in range(TRIES):
            before = read()
            walk = self.gateway.walk(field)
            back = self.gateway.walk_back(field)
            rows, total = before
            if expected_of(read()[0]) == expected_of(rows):
                self.compare(walk, rows)
                expect_equal("the walk back", back, walk.ids())
                expect(
                    walk.total in (None, total or len(rows)),
                    f"totalCount is {walk.total}, not {total or len(rows)}",
                )
                return walk
        raise Wrong(f"the server changed during each of {TRIES} walks")

    def compare(self, walk: Walk, rows: dict[str, Json]) -> None:
        """Every row once, in order of time, as the server has it."""
        expect_equal("the number of different ids", len(set(walk.ids())), len(walk.nodes))
        expect_same("the list", {*walk.ids(), *walk.unreadable}, rows)
        for node in walk.nodes:
            expect_as_server(node, rows[node["upstreamId"]])
        times = [moment(node["createdAt"]) for node in walk.nodes]
        expect(times == sorted(times, reverse=True), "the list is not newest first")

    def upload(self) -> str:
        """A picture nobody has seen."""
        tags = [self.word]
        payload = self.gateway.upload(f"{self.word}.png", self.content, tags)
        expect_equal("errors", payload["errors"], [])
        expect_equal("steps", {step["status"] for step in payload["steps"]}, {"DONE"})
        expect_equal("created", payload["created"], True)
        self.asset = payload["asset"]
        row = self.row()
        expect_equal("the name at the server", row["name"], f"{self.word}.png")
        expect_equal("the size at the server", row["size"], len(self.content))
        expect({self.word, "input"} <= set(row["tags"]), f"tags at the server: {row['tags']}")
        expect_as_server(self.asset, row)
        return f"{self.asset['upstreamId']}, {row['size']} bytes"

    def row(self) -> Json:
        """Our asset as the server has it."""
        expect(self.asset, "nothing was uploaded")
        return self.comfy.get(self.asset["upstreamId"]).json()

    def node(self, fields: str = FIELDS) -> Json:
        """Our asset as the graph has it; null, as an empty one, when it is gone."""
        expect(self.asset, "nothing was uploaded")
        query = f"query ($id: ID!) {{ asset(id: $id) {{ {fields} }} }}"
        return self.gateway.ask(query, id=self.asset["id"])["asset"] or {}

    def change(self, mutation: str, **more: object) -> None:
        """A mutation of our asset."""
        expect(self.asset, "nothing was uploaded")
        variables = {"id": self.asset["id"], **more}
        for payload in self.gateway.ask(mutation, **variables).values():
            expect_equal("errors", payload["errors"], [])

    def tag(self) -> str:
        """Tags are added and taken away, and both sides say so."""
        more = f"{self.word}-more"
        for verb, there in (("addAssetTags", True), ("removeAssetTags", False)):
            self.change(
                f"""mutation ($id: ID!, $tags: [String!]!) {{
                  {verb}(input: {{assetIds: [$id], tags: $tags}}) {{ errors {{ code message }} }}
                }}""",
                tags=[more],
            )
            expect_equal(f"{verb}: there at the server", more in self.row()["tags"], there)
            expect_as_server(self.node(), self.row())
        return "added and taken away"

    def note(self) -> str:
        """A note is written; what else people know of the asset stays."""
        mine = {"user_metadata": {**self.row()["user_metadata"], "judge": 1}}
        path = f"/api/assets/{self.asset['upstreamId']}"
        self.comfy.web.call("PUT", path, mine).json()
        for note in (f"noted by {self.word}", ""):
            self.change(
                """mutation ($id: ID!, $note: String!) {
                  setAssetNote(input: {assetId: $id, note: $note}) { errors { code message } }
                }""",
                note=note,
            )
            known = self.row()["user_metadata"]
            expect_equal("the note at the server", known.get("user_description") or "", note)
            expect_equal("what else is known", known.get("judge"), 1)
            expect_as_server(self.node(), self.row())
        return "written and cleared"

    def found(self) -> str:
        """Its tag and its name find it, and nothing else."""
        query = """query ($tag: String!) {
          tagged: assets(filter: {tagsAll: [$tag]}) { nodes { upstreamId } totalCount }
          named: assets(filter: {nameContains: $tag}) { nodes { upstreamId } totalCount }
          own: comfyAssets(filter: {includeTags: [$tag]}) { nodes { upstreamId } totalCount }
        }"""
        for name, page in self.gateway.ask(query, tag=self.word).items():
            nodes = [node["upstreamId"] for node in page["nodes"]]
            expect_equal(name, nodes, [self.asset.get("upstreamId")])
        return "by tag and by name"

    def file(self) -> str:
        """Its `url` and the server's content are the bytes that were sent; thumbnails load."""
        media = self.node("url small: thumbnailUrl(size: SMALL) large: thumbnailUrl(size: LARGE)")
        answer = self.gateway.web.call("GET", media["url"])
        expect_equal("the status of url", answer.status, 200)
        expect(answer.body == self.content, f"url has {len(answer.body)} other bytes")
        expect_equal("the type of url", answer.content_type, "image/png")
        for size in ("small", "large"):
            expect(media[size], f"no {size} thumbnail")
            answer = self.gateway.web.call("GET", media[size])
            expect_equal(f"the status of the {size} thumbnail", answer.status, 200)
            expect(answer.content_type.startswith("image/"), f"a {answer.content_type}")
        own = self.comfy.web.call("GET", f"/api/assets/{self.asset['upstreamId']}/content")
        # Comfy Cloud's published contract has no such route.
        expect(own.status == 404 or own.body == self.content, "the server has other bytes")
        return f"{len(self.content)} bytes through the gateway"

    def delete(self) -> str:
        """Deleted, it is gone from both sides, and its address opens nothing."""
        url = self.node("url")["url"]
        self.change(
            """mutation ($id: ID!) {
              deleteAsset(input: {assetId: $id}) { deletedId errors { code message } }
            }"""
        )
        expect_equal("the server's answer", self.comfy.get(self.asset["upstreamId"]).status, 404)
        expect_equal("the graph's answer", self.node(), {})
        expect_equal("what has its tag", self.comfy.rows(include_tags=self.word)[0], {})
        expect_equal("its address gives", self.gateway.web.call("GET", url).status, 404)
        walk = self.gateway.walk("assets")
        expect(self.asset["upstreamId"] not in walk.ids(), "it is still listed")
        return "gone"

    def clean(self) -> str:
        """Whatever was made here and is still there goes, by the server's own REST."""
        left = self.left()
        for asset_id in left:
            self.comfy.web.call("DELETE", f"/api/assets/{asset_id}")
        expect_equal("what is left", self.left(), [])
        return f"{len(left)} were left"

    def left(self) -> list[str]:
        """What has our word in its name. A server that ignores the filter must not lose its own."""
        rows = self.comfy.rows(name_contains=self.word)[0]
        return [asset_id for asset_id, row in rows.items() if self.word in row["name"]]

    def run(self, report: Report) -> None:
        """Runs every check, and cleans up whatever comes of them."""
        try:
            report.check("list assets", self.merged)
            report.check("list comfyAssets", self.own_list)
            report.check("upload", self.upload)
            report.check("tags", self.tag)
            report.check("note", self.note)
            report.check("filters", self.found)
            report.check("file", self.file)
            report.check("delete", self.delete)
        finally:
            report.check("clean up", self.clean)


def configuration(address: str, key: str | None) -> str:
    """The smallest file for one source."""
    credential = 'api_key_env = "JUDGED_KEY"\n' if key else ""
    return (
        'listen = "127.0.0.1:0"\nexplorer = false\n\n'
        f'[sources.{SOURCE}]\nprovider = "comfy"\nurl = {json.dumps(address)}\n{credential}'
    )


def served_at(lines: Iterable[str]) -> str | None:
    """The gateway's address, once it has told it."""
    marker = "The graph is at "
    told = (line.partition(marker)[2] for line in lines if marker in line)
    return next((address.removesuffix("/graphql") for address in told), None)


def judge(address: str, gateway: Path) -> int:
    """Judges one server."""
    key = os.environ.get("COMFY_API_KEY") or None
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "gateway.toml"
        file.write_text(configuration(address, key), encoding="utf-8")
        environment = clean_environment() | ({"JUDGED_KEY": key} if key else {})
        command: list[str | Path] = [gateway, "--config", file]
        try:
            with running(command, environment, lambda lines: served_at(lines) is not None) as lines:
                graph = Gateway(Web(served_at(lines) or ""))
                Judge(graph, Comfy(Web(address, key))).run(report)
        except Wrong as wrong:
            report.fail("start the gateway", str(wrong))
    return report.exit_code()


def main() -> int:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description="Judges a gateway over a ComfyUI.")
    parser.add_argument("address", nargs="?", help="such as http://127.0.0.1:8188")
    parser.add_argument("--gateway", type=Path, default=DEFAULT_GATEWAY, help="the binary")
    arguments = parser.parse_args()
    end_in_order()
    if not arguments.address:
        return skip("comfyui.py: no address of a ComfyUI was given")
    if not arguments.gateway.is_file():
        return skip(
            f"comfyui.py: there is no gateway at {arguments.gateway}: cargo build --release"
        )
    address: str = arguments.address
    return judge(address if "://" in address else f"http://{address}", arguments.gateway)


if __name__ == "__main__":
    sys.exit(main())
