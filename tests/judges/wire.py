"""Holds a model of Scenario's SDK against the bytes it was read from.

The SDK's strict validation refuses what is missing or of a wrong type, but lets pass three things
that a faithful emulator must not send either: fields that the SDK does not know, values it had to
convert (`"12"` where a number is declared), and null where the contract leaves a field out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

import httpx
from scenario_sdk import APIResponseValidationError, BaseModel, DefaultHttpxClient

from judge import Wrong, brief, expect

Model = TypeVar("Model", bound=BaseModel)

SHOWN = 8
"""Faults of one check that are printed."""

JSON_TYPES = {bool: "boolean", int: "number", float: "number", str: "string", type(None): "null"}


class Tape:
    """Remembers the last response that a client got."""

    def __init__(self) -> None:
        self._last: httpx.Response | None = None

    def client(self) -> httpx.Client:
        """An HTTP client for the SDK that is recorded here. Everything is on loopback: no proxy."""
        hooks = {"response": [self._record]}
        return DefaultHttpxClient(event_hooks=hooks, trust_env=False)

    def _record(self, response: httpx.Response) -> None:
        self._last = response

    def json(self) -> object:
        """The last answer as it was sent."""
        if self._last is None:
            raise Wrong("nothing was answered yet")
        return self._last.json()

    def faithful(self, model: Model, wanted: type) -> Model:
        """The model, once it is of the type wanted and says just what the last answer said."""
        expect(isinstance(model, wanted), f"the SDK made {type(model).__name__} of it")
        faults = [
            *(f"{path}: not a field the SDK knows" for path in unknown(model)),
            *(f"{path}: null, which no field is declared to be" for path in nulls(self.json())),
            *converted(self.json(), model.to_dict(mode="json")),
        ]
        expect(not faults, tally(faults))
        return model


def unknown(value: object, path: str = "") -> Iterator[str]:
    """Paths of fields that no model declares."""
    if isinstance(value, list):
        for item in value:
            yield from unknown(item, f"{path}[]")
    elif isinstance(value, BaseModel):
        for name in value.model_extra or {}:
            yield f"{path}.{name}".lstrip(".")
        for name in type(value).model_fields:
            yield from unknown(getattr(value, name), f"{path}.{name}".lstrip("."))


def nulls(raw: object, path: str = "") -> Iterator[str]:
    """Paths of nulls."""
    if raw is None:
        yield _general(path)
    for step, item in _items(raw):
        yield from nulls(item, f"{path}{step}".lstrip("."))


def converted(raw: object, parsed: object, path: str = "") -> Iterator[str]:
    """What the SDK reads as something else than was sent."""
    if isinstance(raw, (dict, list)):
        theirs = dict(_items(parsed))
        for step, item in _items(raw):
            yield from converted(item, theirs.get(step), f"{path}{step}".lstrip("."))
    elif JSON_TYPES[type(raw)] != JSON_TYPES.get(type(parsed)) or raw != parsed:
        yield f"{_general(path)}: {brief(raw)} was sent, and read as {brief(parsed)}"


def _items(value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(f".{name}", item) for name, item in value.items()]
    if isinstance(value, list):
        return [(f"[{index}]", item) for index, item in enumerate(value)]
    return []


def _general(path: str) -> str:
    """`assets[12].url` as `assets[].url`, so that equal faults count as one."""
    return re.sub(r"\[\d+\]", "[]", path)


def tally(faults: list[str]) -> str:
    """Each fault once, with how often it came; the first few of many."""
    counted = Counter(faults)
    lines = [f"{fault} ({n} times)" if n > 1 else fault for fault, n in counted.items()]
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "; ".join(lines[:SHOWN] + more)


def explain(error: Exception) -> str:
    """An error of the SDK's, with the fields that its validation refused."""
    refused = getattr(error.__cause__, "errors", None)
    if not isinstance(error, APIResponseValidationError) or refused is None:
        return str(error)
    faults = []
    for fault in refused():
        path = "".join("[]" if isinstance(step, int) else f".{step}" for step in fault["loc"])
        sent = "" if fault["type"] == "missing" else f", but {brief(fault['input'])} was sent"
        faults.append(f"{path.lstrip('.')}: {fault['msg']}{sent}")
    return tally(faults)
