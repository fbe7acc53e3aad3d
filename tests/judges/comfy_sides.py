"""The two sides that are compared: a ComfyUI's own REST, and the graph over it."""

from __future__ import annotations

import json
import secrets
import struct
import zlib
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from judge import expect, expect_equal

Json = dict[str, Any]
SOURCE = "judged"
LISTED = ("input", "output", "models")
"""The gateway's default `listed_tags`: what `assets` shows has one of them."""
TIMEOUT_SECONDS = 60

FIELDS = "id upstreamId name tags size mimeType contentHash note width height createdAt updatedAt"
PAGE = f"""
  edges {{ cursor node {{ {FIELDS} }} }}
  pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
  totalCount
  sourceResults {{ status error {{ message }} unreadableAssets {{ upstreamId }} }}
"""


class Answer:
    """Status, headers and bytes of a response."""

    def __init__(self, status: int, content_type: str, body: bytes) -> None:
        self.status = status
        self.content_type = content_type
        self.body = body

    def json(self) -> Json:
        """The body, where the status says that all is well."""
        expect(self.status < 300, f"{self.status}: {self.body[:300]!r}")
        return json.loads(self.body)


class Web:
    """Calls one server, without a proxy in between."""

    def __init__(self, address: str, key: str | None = None) -> None:
        self.address = address.rstrip("/")
        self._key = key
        self._opener: OpenerDirector = build_opener(ProxyHandler({}))

    def call(
        self,
        method: str,
        path: str,
        body: bytes | Json | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; `path` may be a whole address. A dictionary goes out as JSON."""
        url = path if path.startswith("http") else self.address + path
        request = Request(url, method=method, headers=headers or {})
        if isinstance(body, dict):
            request.add_header("content-type", "application/json")
            body = json.dumps(body).encode()
        request.data = body
        if self._key:
            # Stays here when the server leads to a storage elsewhere.
            request.add_unredirected_header("x-api-key", self._key)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return Answer(response.status, response.headers.get_content_type(), response.read())
        except HTTPError as error:
            with error:
                return Answer(error.code, error.headers.get_content_type(), error.read())


class Comfy:
    """The server's own REST, in words that every generation of it knows."""

    def __init__(self, web: Web) -> None:
        self.web = web

    def rows(self, **query: object) -> tuple[dict[str, Json], int]:
        """All assets by id, and the total that the server tells; by offset, as all servers do."""
        found: dict[str, Json] = {}
        offset = 0
        while True:
            pairs = {"limit": 500, "offset": offset, "sort": "created_at", "order": "desc", **query}
            page = self.web.call("GET", f"/api/assets?{urlencode(pairs)}").json()
            found |= {row["id"]: row for row in page["assets"]}
            offset += len(page["assets"])
            if not page["assets"] or not page["has_more"]:
                return found, page["total"]

    def listed(self) -> dict[str, Json]:
        """What has one of the listed tags and is one's own."""
        found: dict[str, Json] = {}
        for tag in LISTED:
            found |= self.rows(include_tags=tag, include_public="false")[0]
        return found

    def get(self, asset_id: str) -> Answer:
        """One asset."""
        return self.web.call("GET", f"/api/assets/{asset_id}")


class Gateway:
    """The graph over that one server."""

    def __init__(self, web: Web) -> None:
        self.web = web

    def ask(self, query: str, **variables: object) -> Json:
        """The data of an answer without errors."""
        answer = self.web.call("POST", "/graphql", {"query": query, "variables": variables})
        return data(answer)

    def walk(self, field: str) -> Walk:
        """The whole of a list, newest first."""
        walk, after = Walk(), None
        while True:
            page = self.page(field, first=100, after=after)
            walk.add(page)
            if not page["pageInfo"]["hasNextPage"]:
                return walk
            expect(page["pageInfo"]["endCursor"] != after, "a page leads to itself")
            after = page["pageInfo"]["endCursor"]

    def walk_back(self, field: str) -> list[str]:
        """The server's ids of a list, from its end to its beginning, in the list's own order."""
        found: list[str] = []
        before = None
        while True:
            page = self.page(field, last=100, before=before)
            found[:0] = [edge["node"]["upstreamId"] for edge in page["edges"]]
            if not page["pageInfo"]["hasPreviousPage"]:
                return found
            expect(page["pageInfo"]["startCursor"] != before, "a page leads to itself")
            before = page["pageInfo"]["startCursor"]

    def page(self, field: str, **place: object) -> Json:
        """One page of a list."""
        query = f"""query ($first: Int, $after: String, $last: Int, $before: String) {{
          list: {field}(first: $first, after: $after, last: $last, before: $before) {{ {PAGE} }}
        }}"""
        return self.ask(query, **place)["list"]

    def upload(self, name: str, content: bytes, tags: list[str]) -> Json:
        """The payload of an upload."""
        query = f"""mutation ($file: Upload!, $tags: [String!]!) {{
          uploadAsset(input: {{source: "{SOURCE}", file: $file, tags: $tags}}) {{
            asset {{ {FIELDS} }} created steps {{ name status }} errors {{ code message }}
          }}
        }}"""
        variables = {"file": None, "tags": tags}
        parts = {
            "operations": (None, json.dumps({"query": query, "variables": variables}).encode()),
            "map": (None, b'{"0": ["variables.file"]}'),
            "0": (name, content),
        }
        content_type, body = form(parts)
        headers = {"content-type": content_type, "graphql-require-preflight": "1"}
        return data(self.web.call("POST", "/graphql", body, headers))["uploadAsset"]


class Walk:
    """What a walk through a list brought."""

    def __init__(self) -> None:
        self.nodes: list[Json] = []
        self.unreadable: set[str] = set()
        self.pages = 0
        self.total: int | None = None

    def add(self, page: Json) -> None:
        """One page more."""
        for source in page["sourceResults"]:
            expect_equal("the source's status", source["status"], "OK")
            self.unreadable |= {row["upstreamId"] for row in source["unreadableAssets"]}
        self.nodes += [edge["node"] for edge in page["edges"]]
        self.total = page["totalCount"]
        self.pages += 1

    def ids(self) -> list[str]:
        """The server's own ids, in order."""
        return [node["upstreamId"] for node in self.nodes]

    def told(self) -> str:
        """In a line; what could not be read is no fault, but must not be overlooked."""
        lost = f", {len(self.unreadable)} unreadable" if self.unreadable else ""
        return f"{len(self.nodes)} in {self.pages} pages{lost}"


def data(answer: Answer) -> Json:
    """What a GraphQL answer holds."""
    body = answer.json()
    expect("errors" not in body, f"errors: {body.get('errors')}")
    return body["data"]


def form(parts: dict[str, tuple[str | None, bytes]]) -> tuple[str, bytes]:
    """A multipart form: its content type and its bytes."""
    boundary = secrets.token_hex(16)
    body = b""
    for name, (file_name, content) in parts.items():
        file = f'; filename="{file_name}"' if file_name else ""
        head = f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"{file}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return f"multipart/form-data; boundary={boundary}", body + f"--{boundary}--\r\n".encode()


def picture(side: int = 16) -> bytes:
    """A PNG of random colours, which no server has seen before."""
    rows = b"".join(b"\0" + secrets.token_bytes(3 * side) for _ in range(side))

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks)
