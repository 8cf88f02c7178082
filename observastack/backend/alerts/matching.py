"""Whether a silence's matchers fit an alert's labels: the meaning that Alertmanager gives them.

Regular expressions are RE2's: linear in the length of the value, so that no pattern of a tenant can hold the process up,
and read as the Alertmanager reads them, which gets the same silences.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

import re2

from observastack import defects
from observastack.backend.alerts.model import Matcher

_MEMORY = 1 << 20


class BadPattern(ValueError):
    """Not a regular expression that RE2 knows, or one that needs too much memory."""


@functools.lru_cache(maxsize=1_000)
def compiled(pattern: str) -> Any:
    """Raises BadPattern."""
    options = re2.Options()
    options.max_mem, options.log_errors = _MEMORY, False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        text = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
        raise BadPattern(f"the regular expression cannot be used: {text}") from None


def fits(matcher: Matcher, labels: Mapping[str, str]) -> bool:
    """A label that is not there has the value ""."""
    value = labels.get(matcher.name, "")
    if not matcher.is_regex:
        equal = value == matcher.value
    elif defects.active("silence_regex_unanchored"):
        equal = compiled(matcher.value).search(value) is not None
    else:
        equal = compiled(matcher.value).fullmatch(value) is not None
    return equal == matcher.is_equal


def all_fit(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    return all(fits(matcher, labels) for matcher in matchers)


def says_something(matchers: Iterable[Matcher]) -> bool:
    """Whether one of them needs a label to be there: without that the silence would fit every alert of the tenant."""
    return any(not fits(matcher, {}) for matcher in matchers)
