"""Rows of a store, spoilt: what an item says, or who it is."""

from __future__ import annotations

from typing import Any

from runners.ledger.items import Signal


def spoil_content(signal: Signal, row: dict[str, Any], number: int) -> None:
    """Change one thing that is not the item's identity."""
    content = row["content"]
    choices: list[tuple[dict[str, Any], str]] = [
        (content["resource"], "service.version"),
        (content["resource"], "host.name"),
    ]
    if signal == "logs":
        choices += [
            (content, "body"),
            (content, "severity_text"),
            (row, "trace_id"),
            (content, "span_id"),
            (row, "service"),
        ]
    elif signal == "traces":
        choices += [
            (content, "name"),
            (content, "duration_ns"),
            (content, "kind"),
            (row, "trace_id"),
            (content, "status_code"),
        ]
    else:
        choices += [(content, "value"), (content, "unit"), (row, "service")]
    holder, name = choices[number % len(choices)]
    value = holder[name]
    if isinstance(value, str):
        holder[name] = ("0" if value[0] != "0" else "1") + value[1:] if value else "x"
    else:
        holder[name] = value + 1


def spoil_identity(signal: Signal, row: dict[str, Any], number: int) -> None:
    """Flip one bit of what says who the item is."""
    content = row["content"]
    if signal == "logs":
        holder, name, digits, bits = content["attributes"], "testbed.item.id", 32, 128
    elif signal == "traces":
        holder, name, digits, bits = content, "span_id", 16, 64
    else:
        row["time_unix_nano"] = str(int(row["time_unix_nano"]) ^ 1 << number % 20)
        return
    holder[name] = f"{int(holder[name], 16) ^ 1 << number % bits:0{digits}x}"
