"""Placeholders of a target profile: `{{ urls.x }}` from the environment's state, `{name}` from who makes the request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from runners.config.document import Document
from runners.lib.text import did_you_mean

_URL = re.compile(r"\{\{\s*urls\.([a-z][a-z0-9_]*)\s*\}\}")
_FOREIGN = re.compile(r"\{\{(.*?)\}\}")
_NAME = re.compile(r"\{([a-z_][a-z0-9_]*)(\?)?\}")


class _Absent:
    """Stands for a member that is to be left out."""


_ABSENT = _Absent()


class MissingVariable(KeyError):
    """A request needs a variable that was not given."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"variable '{self.name}' is not given"


def fill_urls(document: Document, urls: Mapping[str, str | None]) -> Document:
    """The document with every `{{ urls.x }}` replaced. A text that is nothing but a null URL becomes null.

    Raises FileError for a name that the environment does not know, and for any other `{{ … }}`.
    """

    def walk(value: Any, at: tuple[str | int, ...]) -> Any:
        if isinstance(value, dict):
            return {key: walk(item, (*at, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item, (*at, number)) for number, item in enumerate(value)]
        if not isinstance(value, str) or "{{" not in value:
            return value
        for name in _URL.findall(value):
            if name not in urls:
                remedy = did_you_mean(name, urls) if urls else "write the URL itself: this environment provides none"
                raise document.error(f"the environment has no URL '{name}'", at, remedy)
        if (whole := _URL.fullmatch(value)) is not None:
            return urls[whole[1]]
        filled = _URL.sub(lambda match: str(urls[match[1]] or ""), value)
        if (foreign := _FOREIGN.search(filled)) is not None:
            raise document.error(f"'{foreign[0]}' cannot be filled", at, "only {{ urls.<name> }} is known here")
        return filled

    return Document(document.path, walk(document.data, ()), document.lines)


def url_names(value: Any) -> set[str]:
    """The x of every `{{ urls.x }}` in this value."""
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return set[str]().union(*(url_names(item) for item in inside))
    return set(_URL.findall(value)) if isinstance(value, str) else set()


def names(value: Any, *, optional: bool = False) -> set[str]:
    """Variables that must be given to fill this template; with optional, those that may be too."""
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return set[str]().union(*(names(item, optional=optional) for item in inside))
    if not isinstance(value, str):
        return set()
    return {name for name, may in _NAME.findall(value) if optional or not may}


def fill(value: Any, variables: Mapping[str, Any]) -> Any:
    """A JSON template with `{name}` replaced: a text that is only `{name}` takes the variable's own type.

    A member whose text is only `{name?}` is left out when the variable is not given. Raises MissingVariable.
    """
    filled = _fill(value, variables)
    return None if filled is _ABSENT else filled


def fill_path(path: str, variables: Mapping[str, Any]) -> str:
    """A URL path with `{name}` replaced, percent-encoded (RFC 3986): a value never adds a path segment."""
    return _NAME.sub(lambda match: quote(str(_variable(match[1], variables)), safe=""), path)


def _fill(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        pairs = ((key, _fill(item, variables)) for key, item in value.items())
        return {key: item for key, item in pairs if item is not _ABSENT}
    if isinstance(value, list):
        return [item for item in (_fill(part, variables) for part in value) if item is not _ABSENT]
    if not isinstance(value, str):
        return value
    if (whole := _NAME.fullmatch(value)) is not None:
        if whole[2] and variables.get(whole[1]) is None:
            return _ABSENT
        return _variable(whole[1], variables)
    return _NAME.sub(lambda match: str(_variable(match[1], variables)), value)


def _variable(name: str, variables: Mapping[str, Any]) -> Any:
    try:
        return variables[name]
    except KeyError:
        raise MissingVariable(name) from None
