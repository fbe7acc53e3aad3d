"""The SDK's client, with everything it answered held against the wire; what a check says of it."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterable
from datetime import datetime

import scenario_sdk as sdk
from scenario_sdk import types
from scenario_sdk.pagination import SyncAssetsCursor

import wire
from judge import Wrong, expect, expect_equal

Asset = types.asset_list_response.AssetListResponse
AssetPage = SyncAssetsCursor[Asset]

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""

REFUSED = (sdk.BadRequestError, sdk.UnprocessableEntityError, sdk.ConflictError)
HIDDEN = (sdk.NotFoundError, sdk.PermissionDeniedError)
LOCKED_OUT = (sdk.AuthenticationError, sdk.PermissionDeniedError)


class Scenario:
    """The SDK's client with everything it answered held against the wire."""

    def __init__(self, **credentials: object) -> None:
        self.tape = wire.Tape()
        self.sdk = sdk.Scenario(
            base_url=os.environ["SCENARIO_URL"],
            http_client=self.tape.client(),
            max_retries=0,
            _strict_response_validation=True,
            **credentials,
        )

    def pages(self, **parameters: object) -> list[list[Asset]]:
        """All pages of the list, walked by the SDK's own pager."""
        first = self.sdk.assets.list(**parameters)
        return [self.tape.faithful(page, AssetPage).assets for page in first.iter_pages()]

    def listed(self, **parameters: object) -> list[Asset]:
        """All assets of a list, each once."""
        assets = [asset for page in self.pages(**parameters) for asset in page]
        expect_equal("the number of different ids", len(ids(assets)), len(assets))
        return assets

    def get(self, asset_id: str, **parameters: object) -> types.asset_retrieve_response.Asset:
        """One asset."""
        answer = self.sdk.assets.retrieve(asset_id, **parameters)
        return self.tape.faithful(answer, types.AssetRetrieveResponse).asset

    def bulk(self, asset_ids: list[str]) -> list[types.asset_get_bulk_response.Asset]:
        """Several assets."""
        answer = self.sdk.assets.get_bulk(asset_ids=asset_ids)
        return self.tape.faithful(answer, types.AssetGetBulkResponse).assets

    def upload(self, **parameters: object) -> types.asset_upload_response.Asset:
        """A picture in one call."""
        parameters = {"name": "pixel.png", "image": encoded(PIXEL), **parameters}
        answer = self.sdk.assets.upload(**parameters)
        return self.tape.faithful(answer, types.AssetUploadResponse).asset

    def change_tags(self, asset_id: str, **change: object) -> tuple[list[str], list[str]]:
        """What a change of tags says it added and deleted."""
        answer = self.sdk.assets.update_tags(asset_id, **change)
        answer = self.tape.faithful(answer, types.AssetUpdateTagsResponse)
        return answer.added, answer.deleted

    def delete(self, *asset_ids: str) -> None:
        """Deletes assets; the answer says nothing."""
        self.sdk.assets.delete_multiple(asset_ids=asset_ids)
        expect_equal("the answer to a delete", self.tape.json(), {})

    def load(self, url: str, body: bytes | None = None) -> bytes:
        """The file at a signed address, or with a body: puts one there. No credential is sent."""
        method = "GET" if body is None else "PUT"
        with self.tape.client() as client:
            response = client.request(method, url, content=body)
        expect(response.is_success, f"{method} of a signed address gives {response.status_code}")
        return response.content


def encoded(content: bytes) -> str:
    """In base64."""
    return base64.b64encode(content).decode("ascii")


def ids(assets: Iterable[object]) -> set[str]:
    """Their ids."""
    return {asset.id for asset in assets}


def plain(asset: object) -> dict[str, object]:
    """An asset less its signed addresses, which may change at each read."""
    fields = asset.to_dict(mode="json")
    return {name: value for name, value in fields.items() if name not in SIGNED}


SIGNED = {"url", "thumbnail", "preview", "firstFrame", "lastFrame", "originalFileUrl"}


def refused(what: str, by: tuple[type[Exception], ...], call: Callable[[], object]) -> None:
    """Holds when a call is refused in one of these ways."""
    try:
        call()
    except by:
        return
    raise Wrong(f"{what} is not refused")


def expect_sorted(assets: list[Asset], key: Callable[[Asset], str], descending: bool) -> None:
    """Times run one way; what is of one time may come in any order."""
    times = [datetime.fromisoformat(key(asset).replace("Z", "+00:00")) for asset in assets]
    expect(times == sorted(times, reverse=descending), "the list is not in order of time")
