"""What the judges share: one line a check, one way to skip, one way to run a server."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30


class Wrong(Exception):
    """What a check found, in words."""


def expect(holds: object, otherwise: str) -> None:
    """Ends a check that does not hold."""
    if not holds:
        raise Wrong(otherwise)


def expect_equal(what: str, got: object, wanted: object) -> None:
    """Ends a check whose two sides differ, showing both."""
    expect(got == wanted, f"{what} is {brief(got)}, not {brief(wanted)}")


def expect_same(what: str, got: Collection[str], wanted: Collection[str]) -> None:
    """Ends a check whose two sets differ, showing an example each way."""
    missing, extra = sorted(set(wanted) - set(got)), sorted(set(got) - set(wanted))
    expect(not missing, f"{what}: {len(missing)} are missing, such as {missing[:1]}")
    expect(not extra, f"{what}: {len(extra)} are too many, such as {extra[:1]}")


def brief(value: object) -> str:
    """A value short enough for a line."""
    text = repr(value)
    return text if len(text) <= 160 else f"{text[:157]}…"


class Report:
    """Prints a line for each check and remembers whether all held."""

    def __init__(self, explain: Callable[[Exception], str] = str) -> None:
        """`explain`: how an error that is not `Wrong` reads, where its own text says too little."""
        self.failed = 0
        self._explain = explain

    def check(self, name: str, work: Callable[[], str]) -> None:
        """Runs a check, which returns what it saw; the next ones run whatever comes of it."""
        try:
            print(f"ok   {name}: {work()}", flush=True)
        except Wrong as wrong:
            self.fail(name, str(wrong))
        except Exception as error:  # a judge that stops half-way says less than one that goes on
            self.fail(name, f"{type(error).__name__}: {self._explain(error)}")

    def fail(self, name: str, why: str) -> None:
        """Says what did not hold."""
        self.failed += 1
        print(f"FAIL {name}: {why}", flush=True)

    def exit_code(self) -> int:
        """0 when every check held."""
        return 1 if self.failed else 0


def skip(why: str) -> int:
    """Says loudly that nothing was judged; the exit code to end with."""
    print(f"SKIPPED: {why}", flush=True)
    return 1 if os.environ.get("ASSET_GATEWAY_REQUIRE_JUDGES") == "1" else 0


def end_in_order() -> None:
    """Lets SIGTERM end the program as Ctrl-C does: what it started ends, what it made goes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def clean_environment() -> dict[str, str]:
    """Our environment less everything that configures a gateway."""
    ours = ("SCENARIO_", "PIKTID_", "COMFY_", "ASSET_GATEWAY_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


@contextmanager
def running(
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    ready: Callable[[list[str]], bool],
) -> Iterator[list[str]]:
    """Runs a server until the block ends; gives what it printed until it was `ready`."""
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield _printed(server, ready)
    finally:
        server.terminate()
        try:
            server.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _printed(server: subprocess.Popen[str], ready: Callable[[list[str]], bool]) -> list[str]:
    """Reads on in the background for as long as the server lives: a full pipe would stop it."""
    lines: queue.Queue[str | None] = queue.Queue()

    def pump() -> None:
        for line in server.stdout or ():
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=pump, daemon=True).start()
    seen: list[str] = []
    end = time.monotonic() + START_SECONDS
    while not ready(seen):
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            line = None
        expect(line is not None, f"a server did not start; it said {seen}")
        seen.append(str(line))
    return seen
