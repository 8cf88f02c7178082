"""What to do about a service that did not come up, read off its reason and the last lines of its log. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# What servers say of it, and what helps; the first that occurs counts.
_SIGNS: tuple[tuple[str, str], ...] = (
    (r"address already in use|EADDRINUSE|could not bind|listens on (its|the) port",
     "end what listens on port {port} (ss -ltnp 'sport = :{port}'), or take other ports: testbed down, then testbed up"),
    (r"no space left on device|disk full|ENOSPC", "free disk space where the state folder lies (df {folder})"),
    (r"cannot allocate memory|out of memory|OutOfMemoryError", "free memory, or leave services out with --only"),
    (r"permission denied|EACCES", "give the service's files back to the user who runs the testbed: ls -la {folder}"),
    (r"password authentication failed|WRONGPASS|NOAUTH",
     "its data knows other secrets: testbed up --fresh takes new data, testbed up --rotate-secrets new secrets"),
    (r"incompatible|was initialized by PostgreSQL version|unsupported version",
     "its data is of another version: install that version, or take new data with testbed up --fresh"),
    (r"no such file or directory|not found|ENOENT", "install what the line names, then look with: testbed doctor"),
    (r"syntax error|bad directive|unrecognized configuration parameter|error parsing|fatal config|unknown (field|key|option)",
     "mend the setting that the line names (testbed config show --env ENV says where it stands), or go back: testbed rollback"),
    (r"not ready in time|no answer within", "it is slow or hangs: run testbed up again, with fewer services if the machine is busy"),
)  # fmt: skip
_OTHERWISE = "read its log: {log}"


def remedy(service: Mapping[str, Any], reason: str, log: Sequence[str]) -> str:
    """One sentence in the imperative. service: as in state.json; log: its last lines."""
    text = "\n".join([*log, reason])
    found = next((helps for sign, helps in _SIGNS if re.search(sign, text, re.IGNORECASE)), _OTHERWISE)
    place = str(service.get("log") or "its log")
    return found.format(port=service.get("port") or "-", folder=place.rpartition("/logs/")[0] or place, log=place)
