"""The command that a run was started with, as one may type it again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_WITH_VALUE = ("--home", "--db", "--color")
_ALONE = ("--json", "-q", "--quiet", "-v", "--verbose")


def again(typed: Sequence[str], environment: str) -> str:
    """typed: the arguments as given. Where state lies and how it is told are left out: they are the reader's own, and a
    database's address may hold a password. The environment is always named."""
    kept: list[str] = []
    words = iter(typed)
    for word in words:
        if word in _WITH_VALUE:
            next(words, None)
        elif word not in _ALONE and not word.startswith(tuple(f"{option}=" for option in _WITH_VALUE)):
            kept.append(word)
    if not any(word == "--env" or word.startswith("--env=") for word in kept):
        kept += ["--env", environment]
    return shlex.join(["testbed", *kept])
