"""Where an answer lies inside a JSON document: the part of JSONPath (RFC 9535) that a target profile needs.

`$` the whole, `.name` or `['name']` a member, `[0]` or `[-1]` an element, `[*]` every element. No filters, no `..`:
a profile says where a thing lies, it does not search for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)|\[(?P<index>-?\d+)\]|\[(?P<all>\*)\]|\[(?P<quote>['\"])(?P<key>.*?)(?P=quote)\]"
)


@dataclass(frozen=True)
class _Every:
    """The step `[*]`."""


EVERY = _Every()


@dataclass(frozen=True)
class JsonPath:
    """A parsed path; `text` as it was written."""

    text: str
    steps: tuple[str | int | _Every, ...]

    def values(self, document: Any) -> list[Any]:
        """All values the path leads to; empty when it leads nowhere."""
        found = [document]
        for step in self.steps:
            found = [value for item in found for value in _descend(item, step)]
        return found

    def value(self, document: Any) -> Any | None:
        """The first value, or None."""
        found = self.values(document)
        return found[0] if found else None

    def items(self, document: Any) -> list[Any] | None:
        """The list the path leads to (or, with `[*]`, all it leads to); None when there is no list there."""
        found = self.values(document)
        if any(step is EVERY for step in self.steps):
            return found
        return found[0] if found and isinstance(found[0], list) else None


def parse(text: str) -> JsonPath:
    """Raises ValueError that names the column and what may stand there."""
    if not text.startswith("$"):
        raise ValueError(f"{text!r} is not a JSONPath; write for example $.items or $.data.result[0]")
    at, steps = 1, list[str | int | _Every]()
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None:
            raise ValueError(
                f"{text!r} cannot be read from column {at + 1} on; write .name, ['name'], [0] or [*] after the $"
            )
        if match["all"]:
            steps.append(EVERY)
        elif match["index"] is not None:
            steps.append(int(match["index"]))
        else:
            steps.append(match["name"] or match["key"])
        at = match.end()
    return JsonPath(text, tuple(steps))


def _descend(value: Any, step: str | int | _Every) -> list[Any]:
    if isinstance(step, str):
        return [value[step]] if isinstance(value, dict) and step in value else []
    if not isinstance(value, list):
        return []
    if isinstance(step, int):
        return [value[step]] if -len(value) <= step < len(value) else []
    return value
