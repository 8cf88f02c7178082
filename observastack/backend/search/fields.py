"""What the values of filters may be; every adapter reads them through these, so that all refuse the same."""

from __future__ import annotations

import math
import re
from typing import Any

from observastack.backend.search.model import Filter

SEVERITIES = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "warning": 13, "error": 17, "fatal": 21}
"""Lowest severity number of each range (OpenTelemetry logs data model); a range has four numbers."""


class BadFilter(ValueError):
    """The filter has no meaning; the text says why."""


def unfit(one: Filter) -> BadFilter:
    """To be raised: this operator has no meaning for this field."""
    return BadFilter(f"{one.operator} does not apply to {one.field}")


def attribute_of(name: str) -> tuple[str, str] | None:
    """("attributes" or "resource", key) of a field of the form `attributes.<key>`, else None. Raises BadFilter."""
    owner, _, key = name.partition(".")
    if owner not in ("attributes", "resource"):
        return None
    if not key:
        raise BadFilter(f"{name}: name the key, as in {owner}.<key>")
    return owner, key


def string(one: Filter) -> str:
    """Raises BadFilter."""
    if not isinstance(one.value, str):
        raise BadFilter(f"{one.field}: {one.operator} needs a text")
    if "\0" in one.value:
        raise BadFilter(f"{one.field}: a text cannot contain the character NUL")
    try:
        one.value.encode()
    except UnicodeEncodeError:
        raise BadFilter(f"{one.field}: the text is not Unicode") from None
    return one.value


def pattern(one: Filter) -> str:
    """A regular expression, not yet compiled. Raises BadFilter."""
    text = string(one)
    if len(text) > 500:
        raise BadFilter(f"{one.field}: the regular expression is longer than 500 characters")
    return text


def hexadecimal(one: Filter, digits: int) -> str:
    """An id in lower case. Raises BadFilter."""
    if one.operator not in ("equals", "not_equals"):
        raise unfit(one)
    value = string(one).lower()
    if not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
        raise BadFilter(f"{one.field}: must have {digits} hexadecimal digits")
    return value


def numeric(one: Filter, value: Any) -> int | float:
    """A finite number, also when it is written as a text. Raises BadFilter."""
    if isinstance(value, str):
        try:
            value = int(value) if re.fullmatch(r"-?\d{1,30}", value) else float(value)
        except ValueError:
            value = None
    if not is_number(value):
        raise BadFilter(f"{one.field}: {one.operator} needs a number")
    found: int | float = value
    return found


def is_number(value: Any) -> bool:
    """Whether it is a number that a float can be: JSON also has integers of a thousand digits."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:
        return False


def bounds(one: Filter) -> tuple[int | float, int | float]:
    """[low, high], both inside. Raises BadFilter."""
    value = [one.value.get("from"), one.value.get("to")] if isinstance(one.value, dict) else one.value
    if isinstance(one.value, dict) and not one.value.keys() <= {"from", "to"}:
        value = None
    if not isinstance(value, list) or len(value) != 2:
        raise BadFilter(f"{one.field}: range needs [low, high]")
    return numeric(one, value[0]), numeric(one, value[1])


def wants_presence(one: Filter) -> bool:
    """What `exists` asks: whether the field is there (default), or is not. Raises BadFilter."""
    if one.value not in (None, True, False):
        raise BadFilter(f"{one.field}: exists takes true or false")
    return one.value is not False
