"""What a deployment calls the parts of an item, so that every suite sees one shape.

    item: {time_unix_nano: $.ts, service: $.svc, content.body: $.message, content.attributes: $.tags}

The canonical shape is the search item of the reference platform: `time_unix_nano`, `service`, `trace_id`, `content`
with `body`, `name`, `attributes`, `resource` and so on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runners.target import jsonpath


def canonical(item: Any, parts: Mapping[str, str], source: str | None = None) -> Any:
    """The item in the canonical shape; a part that the item lacks is left out. parts: dotted name -> JSONPath.

    source: the signal of an item that does not say so itself. Without parts, and for what is no object, the item itself.
    """
    if not parts or not isinstance(item, dict):
        return item
    shaped: dict[str, Any] = {}
    for name, path in parts.items():
        found = jsonpath.parse(path).values(item)
        if not found:
            continue
        *parents, leaf = name.split(".")
        place = shaped
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = found[0]
    if isinstance(moment := shaped.get("time_unix_nano"), int):
        shaped["time_unix_nano"] = str(moment)
    if "time_unix_nano" in shaped:
        shaped.setdefault("timestamp", shaped["time_unix_nano"])
        shaped.setdefault("source", source)
    return shaped
