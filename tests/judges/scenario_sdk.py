#!/usr/bin/env python3
"""Scenario's own Python SDK, with strict validation of answers, against the sandbox's Scenario.

Address and key come from the variables that `asset-gateway sandbox` prints. It writes and deletes,
so it only runs against loopback.
"""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

from judge import Report, skip

# This file has the SDK's own name, and would be imported in its place.
here = sys.path.pop(0)
try:
    import scenario_sdk  # noqa: F401 (the others find it then)
except ImportError as error:
    sys.exit(skip(f"scenario_sdk.py: the SDK is not installed ({error})"))
finally:
    sys.path.insert(0, here)

import wire  # noqa: E402
from scenario_client import Scenario  # noqa: E402
from scenario_reading import Reading, read  # noqa: E402
from scenario_writing import Writing, write  # noqa: E402


def main() -> int:
    """Judges the sandbox that the environment names."""
    if "SCENARIO_URL" not in os.environ:
        return skip("scenario_sdk.py: SCENARIO_URL is not set; see `asset-gateway sandbox`")
    if urlsplit(os.environ["SCENARIO_URL"]).hostname not in ("127.0.0.1", "localhost", "::1"):
        return skip("scenario_sdk.py: it writes and deletes, so it only judges a sandbox here")
    key, secret = os.environ["SCENARIO_API_KEY"], os.environ["SCENARIO_API_SECRET"]
    own = Scenario(api_key=key, api_secret=secret)
    public = Scenario(default_headers={"Authorization": "public-auth-token"})
    report = Report(wire.explain)
    read(report, Reading(own, public))
    write(report, Writing(own))
    return report.exit_code()


if __name__ == "__main__":
    sys.exit(main())
