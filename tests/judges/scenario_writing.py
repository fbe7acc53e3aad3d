"""Scenario's writes: uploads, tags, descriptions, deletes."""

from __future__ import annotations

from scenario_sdk import types

from judge import Report, Wrong, expect, expect_equal, expect_same
from scenario_client import (
    HIDDEN,
    PIXEL,
    REFUSED,
    Scenario,
    encoded,
    expect_sorted,
    ids,
    plain,
    refused,
)

FILES = [
    ("image", "image/png", PIXEL),
    ("video", "video/mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"),
    ("audio", "audio/wav", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0"),
    ("text", "text/plain", b"a text of two parts"),
    ("3d", "model/gltf-binary", b"glTF\x02\0\0\0\x0c\0\0\0"),
]
"""What the gateway uploads: a kind, its media type, and some bytes."""


LOOKS = 100
"""How often an upload is looked at before it is taken to hang."""


class Writing:
    """Checks that change assets of their own."""

    def __init__(self, own: Scenario) -> None:
        self.own = own
        self.made: set[str] = set()

    def made_by(self, **parameters: object) -> types.asset_upload_response.Asset:
        """A fresh asset, deleted at the end."""
        asset = self.own.upload(**parameters)
        self.made.add(asset.id)
        return asset

    def small_upload(self) -> str:
        """In one call, in both spellings, with everything that can be said of it."""
        parent = self.made_by(image=f"data:image/png;base64,{encoded(PIXEL)}")
        child = self.made_by(
            name="child.png",
            parent_id=parent.id,
            collection_ids=["col_favourites"],
            hide=True,
            project_id=parent.owner_id,
            original_assets=True,
        )
        expect(parent.id != child.id, "two uploads are one asset")
        expect_equal("the parent's name", parent.metadata.name, "pixel.png")
        expect_equal("the name", child.metadata.name, "child.png")
        expect_equal("the kind", (child.kind, child.mime_type), ("image", "image/png"))
        expect_equal("the parent", child.metadata.parent_id, parent.id)
        expect_equal("the root", child.metadata.root_parent_id, parent.id)
        expect_equal("the collections", child.collection_ids, ["col_favourites"])
        expect_equal("hidden", child.is_hidden, True)
        self.stored(child.id, PIXEL)
        children = self.own.listed(parent_asset_id=parent.id)
        expect_same("the parent's children", ids(children), {child.id})
        return "base64 and data URL"

    def stored(self, asset_id: str, content: bytes) -> None:
        """Its file is what was sent."""
        asset = self.own.get(asset_id, original_assets=True)
        expect_equal("the file", self.own.load(asset.url), content)
        expect_equal("the size", asset.properties.size, len(content))

    def upload_in_parts(self, kind: str, content_type: str, content: bytes) -> str:
        """Announced, put to signed addresses, completed, and looked at until it is imported."""
        parent = self.made_by()
        options = {"parentId": parent.id, "hide": True, "collectionIds": ["col_favourites"]}
        upload = self.announced(kind, content_type, content, asset_options=options)
        expect_equal("the parts", {part.number for part in upload.parts}, {1, 2})
        half = len(content) // 2
        for part in upload.parts:
            piece = content[:half] if part.number == 1 else content[half:]
            self.own.load(part.url, body=piece)
        states = self.completed(upload.id)
        expect_equal("the last state", states[-1].status, "imported")
        expect(states[-1].entity_id, "an imported upload without entityId")
        self.made.add(states[-1].entity_id)
        asset = self.own.get(states[-1].entity_id)
        expect_equal("the kind", (asset.kind, asset.mime_type), (kind, content_type))
        expect_equal("the parent", asset.metadata.parent_id, parent.id)
        expect_equal("hidden", asset.is_hidden, True)
        expect_equal("the collections", asset.collection_ids, ["col_favourites"])
        self.stored(asset.id, content)
        return " → ".join(state.status for state in states)

    def announced(
        self, kind: str, content_type: str, content: bytes, **more: object
    ) -> types.upload_create_response.Upload:
        """An upload in two parts, of which nothing is sent yet."""
        answer = self.own.sdk.uploads.create(
            file_name=f"judged-{kind}",
            file_size=len(content),
            content_type=content_type,
            kind=kind,
            parts=2,
            **more,
        )
        upload = self.own.tape.faithful(answer, types.UploadCreateResponse).upload
        said = (upload.status, upload.kind, upload.source, upload.file_name)
        expect_equal("what is announced", said, ("pending", kind, "multipart", f"judged-{kind}"))
        return upload

    def completed(self, upload_id: str) -> list[types.upload_retrieve_response.Upload]:
        """The states an upload goes through once it is said to be complete."""
        answer = self.own.sdk.uploads.trigger_action(upload_id, action="complete")
        states = [self.own.tape.faithful(answer, types.UploadTriggerActionResponse).upload]
        for _ in range(LOOKS):
            if states[-1].status in ("imported", "failed"):
                return states
            answer = self.own.sdk.uploads.retrieve(upload_id)
            upload = self.own.tape.faithful(answer, types.UploadRetrieveResponse).upload
            if upload.status != states[-1].status:
                states.append(upload)
        raise Wrong(f"after {LOOKS} looks the upload is {states[-1].status}")

    def failed_upload(self) -> str:
        """Without its parts an upload fails, and says why."""
        last = self.completed(self.announced("image", "image/png", PIXEL).id)[-1]
        expect_equal("the last state", last.status, "failed")
        expect(last.error_message, "a failed upload without errorMessage")
        expect(last.entity_id is None, "a failed upload with an asset")
        return str(last.error_message)

    def tags(self) -> str:
        """The answer is what changed, not the set."""
        asset_id = self.made_by().id
        change = self.own.change_tags
        expect_equal("two added", sorted_pair(change(asset_id, add=["b", "a"])), (["a", "b"], []))
        expect_equal("one again", change(asset_id, add=["a"]), ([], []))
        expect_equal("both ways", change(asset_id, add=["c"], delete=["a", "x"]), (["c"], ["a"]))
        again = {"add": ["b"], "strict": True}
        refused("strictly adding what is there", REFUSED, lambda: change(asset_id, **again))
        gone = {"delete": ["x"], "strict": True}
        refused("strictly deleting what is not", REFUSED, lambda: change(asset_id, **gone))
        expect_equal("the tags at last", sorted(self.own.get(asset_id).tags), ["b", "c"])
        return "added, deleted, strict"

    def description(self) -> str:
        """The one call that renames and describes."""
        made = self.made_by()
        answer = self.own.sdk.assets.update(
            made.id, name="renamed.png", description="judged", original_assets=True
        )
        changed = self.own.tape.faithful(answer, types.AssetUpdateResponse).asset
        expect_equal("the description", changed.description, "judged")
        expect_equal("the name", changed.metadata.name, "renamed.png")
        expect(changed.updated_at >= made.updated_at, "updatedAt goes back")
        expect_equal("the read", plain(self.own.get(made.id)), plain(changed))
        cleared = self.own.sdk.assets.update(made.id, description="")
        self.own.tape.faithful(cleared, types.AssetUpdateResponse)
        return "renamed, described, cleared"

    def delete(self) -> str:
        """What is deleted is nowhere but among the deleted."""
        asset_id = self.made_by().id
        self.own.delete(asset_id, "asset_nobody")
        refused("a deleted asset", HIDDEN, lambda: self.own.get(asset_id))
        expect_equal("get-bulk", self.own.bulk([asset_id]), [])
        expect(asset_id not in ids(self.own.listed(page_size=100)), "it is still listed")
        refused("101 ids", REFUSED, lambda: self.own.delete(*["asset_nobody"] * 101))
        return "gone"

    def deleted_list(self) -> str:
        """The newest deletion first, each with its time, whatever was made first."""
        older, newer = self.made_by().id, self.made_by().id
        self.own.delete(newer)
        expect(newer in ids(self.own.listed(deleted=True)), "a deleted asset is not among them")
        self.own.delete(older)
        found = self.own.listed(deleted=True, page_size=1)
        expect({older, newer} <= ids(found), "the deleted are not all there")
        expect(all(asset.deleted_at for asset in found), "one without deletedAt")
        expect_sorted(found, lambda asset: asset.deleted_at, descending=True)
        return f"{len(found)} in pages of 1"

    def restore(self) -> str:
        """Comes back without its tags and collections; what does not, is told."""
        kept = self.made_by().id
        gone = self.made_by(collection_ids=["col_favourites"]).id
        self.own.change_tags(gone, add=["judged"])
        self.own.delete(gone)
        answer = self.own.sdk.assets.restore_multiple(asset_ids=[gone, kept, "asset_nobody"])
        answer = self.own.tape.faithful(answer, types.AssetRestoreMultipleResponse)
        expect_equal("what is restored", answer.restored_asset_ids, [gone])
        skipped = {asset.asset_id: asset.reason for asset in answer.skipped_assets}
        wanted = {kept: "not-deleted", "asset_nobody": "not-found"}
        expect_equal("what is skipped", skipped, wanted)
        back = self.own.get(gone)
        expect_equal("tags and collections", (back.tags, back.collection_ids), ([], []))
        return "1 restored, 2 skipped"

    def clean(self) -> str:
        """Deletes everything that was made here."""
        there = ids(self.own.bulk(sorted(self.made))) if self.made else set()
        if there:
            self.own.delete(*there)
        expect_equal("what is left", self.own.bulk(sorted(self.made)), [])
        return f"{len(there)} deleted"


def sorted_pair(change: tuple[list[str], list[str]]) -> tuple[list[str], list[str]]:
    """Tags have no order."""
    return sorted(change[0]), sorted(change[1])


def write(report: Report, writing: Writing) -> None:
    """Runs the checks that make, change and delete."""
    check = report.check
    check("upload in one call", writing.small_upload)
    for file in FILES:
        check(f"upload in parts: {file[0]}", lambda f=file: writing.upload_in_parts(*f))
    check("upload that fails", writing.failed_upload)
    check("tags", writing.tags)
    check("description", writing.description)
    check("delete", writing.delete)
    check("deleted list", writing.deleted_list)
    check("restore", writing.restore)
    check("clean up", writing.clean)
