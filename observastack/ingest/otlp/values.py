"""OTLP AnyValue as JSON, so that PostgreSQL's jsonb gives back exactly the value that was sent.

Source: opentelemetry-proto common/v1 and the OTLP/JSON mapping (bytes are base64; non-finite numbers are texts).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import orjson
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue


def to_json(value: Any, *, ordered: bool = False) -> bytes:
    """JSON text; `ordered` sorts the keys, for texts that are compared."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if ordered else None)


def trimmed(text: bytes) -> bytes:
    """The same text in no more memory than it needs. orjson's results hold four kilobytes at least: nothing for a text that is
    written and forgotten, forty times its size for one that is kept."""
    return memoryview(text).tobytes()


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """A later key wins over an equal earlier one."""
    return {clean(pair.key): plain(pair.value) for pair in pairs}


def plain(value: AnyValue) -> Any:
    """The value as something that `to_json` can write."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return clean(value.string_value)
    if kind == "int_value":
        return value.int_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "double_value":
        return number(value.double_value)
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return None


def clean(text: str) -> str:
    """PostgreSQL can store every character but NUL: it becomes U+FFFD."""
    return text.replace("\0", "\ufffd") if "\0" in text else text


def number(value: float) -> Any:
    """A double in positional notation with a fraction: jsonb would turn 1e22 into a whole number of 23 digits."""
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if "e" not in (text := repr(value)):
        return value
    digits = format(Decimal(text), "f")
    return orjson.Fragment((digits if "." in digits else f"{digits}.0").encode())


def text_of(value: AnyValue) -> str | None:
    """A log body as text: a string as it is, nothing as None, anything else as its JSON text."""
    if (kind := value.WhichOneof("value")) == "string_value":
        return clean(value.string_value)
    return None if kind is None else to_json(plain(value)).decode()
