"""The pictures of docs/realism.md, drawn from the very telemetry that is measured."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import cast

import numpy as np

from runners.datagen.model.shapes import SERVICE_INDEX
from runners.ledger.items import Span
from tests.realism.canvas import AMBER, BLUE, INK, MUTED, RED, RULE, SERVICES, Canvas, photograph
from tests.realism.figures import per_second, roots
from tests.realism.sample import Integers, Sample, Written

WIDTH = 1080
_DARK = {
    "DEBUG": "#7d8590", "INFO": "#7ee787", "WARN": "#f2cc60", "ERROR": "#ff7b72", "text": "#d6dde6", "service": "#79c0ff",
    "dim": "#8b949e", "back": "#0d1117",
}  # fmt: skip


def draw(of: Sample, folder: Path) -> Iterator[Path]:
    """Write all pictures; yields each when it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in (("day", _day), ("latency", _latency), ("trace", _trace), ("chance", _chance)):
        canvas = make(of)
        photograph(canvas.page, canvas.width, canvas.height, path := folder / f"{name}.png")
        yield path
    page, height = _logs(of)
    photograph(page, WIDTH, height, path := folder / "logs.png", scale=1.5)
    yield path


def _day(of: Sample) -> Canvas:
    """Requests a second of each tenant, by its own clocks."""
    file = of.world.scenario.file
    canvas = Canvas(
        WIDTH,
        520,
        "A weekday of three tenants",
        "requests a second; the line is the mean of ten seconds, the clocks are the tenant's own",
    )
    left, right, ticks = 190, WIDTH - 40, of.world.ticks
    offsets = {"Europe/Berlin": 1, "America/New_York": -5, "Asia/Tokyo": 9}
    for row, (tenant, counts) in enumerate(zip(file.tenants, per_second(of), strict=True)):
        top, floor = 96 + row * 140, 96 + row * 140 + 100
        most = float(counts.max()) * 1.05

        def at(tick: float, value: float, floor: int = floor, most: float = most) -> tuple[float, float]:
            return left + (right - left) * tick / ticks, floor - (100 * value / most)

        for anomaly in file.anomalies:
            if anomaly.target.tenant == tenant.id:
                x, _ = at(anomaly.at, 0)
                until, _ = at(min(anomaly.at + anomaly.lasts, ticks), 0)
                canvas.rect(x, top, until - x, 100, "#fdebd3")
                canvas.text(x, top - 6, f"{anomaly.name}: {anomaly.kind}", size=11, fill=AMBER, weight=600)
        step = next(step for step in (5, 10, 20, 50, 100, 200) if most / step < 4)
        for value in range(step, int(most) + 1, step):
            _, y = at(0, value)
            canvas.line([(left, y), (right, y)])
            canvas.text(left - 8, y + 4, f"{value}/s", size=11, fill=MUTED, anchor="end")
        canvas.line([at(tick, float(value)) for tick, value in enumerate(counts)], "#a9c4e6", width=0.8)
        smooth = np.convolve(counts, np.ones(10) / 10, "valid")
        points = [at(tick + 5, float(value)) for tick, value in enumerate(smooth)]
        canvas.line(points, BLUE, width=1.8)
        canvas.line([(left, floor), (right, floor)], INK)
        canvas.text(32, top + 16, tenant.id, size=14, weight=700)
        canvas.text(32, top + 34, tenant.zone.partition("/")[2].replace("_", " "), size=12, fill=MUTED)
        canvas.text(32, top + 50, f"{tenant.rhythm} rhythm", size=12, fill=MUTED)
        for hour in range(0, 24, 3):
            x, _ = at(hour * ticks / 24, 0)
            canvas.text(
                x, floor + 15, f"{(hour + offsets[tenant.zone]) % 24:02d}:00", size=10.5, fill=MUTED, anchor="middle"
            )
    return canvas


def _durations(of: Sample) -> tuple[Integers, Integers]:
    """(tick, nanoseconds) of all requests."""
    when, took = [], []
    for tenant in of.requests:
        for tick, requests in enumerate(tenant):
            at = roots(requests)
            took.append(requests.end[at] - requests.start[at])
            when.append(np.full(len(at), tick))
    return np.concatenate(when), np.concatenate(took)


def _latency(of: Sample) -> Canvas:
    """A heat map over the day, and the distribution beside it."""
    canvas = Canvas(
        WIDTH,
        470,
        "Latency at the gateway",
        "each column 15 s of the run; darker: more requests. Right: all of them, with p50, p90, p99 and p99.9",
    )
    when, took = _durations(of)
    left, right, top, floor, edge = 80, 760, 96, 420, WIDTH - 40
    low, high, rows, columns = math.log10(2e6), math.log10(3e9), 54, of.world.ticks // 15
    row = np.clip((np.log10(took) - low) / (high - low) * rows, 0, rows - 1).astype(np.int64)
    cells = np.zeros((columns, rows), np.int64)
    np.add.at(cells, (np.minimum(when // 15, columns - 1), row), 1)
    width, height = (right - left) / columns, (floor - top) / rows

    def y_of(ns: float) -> float:
        return floor - (math.log10(ns) - low) / (high - low) * (floor - top)

    strength = np.log1p(cells) / math.log1p(float(cells.max()))
    for column, each in np.argwhere(cells > 0).tolist():
        canvas.rect(
            left + column * width, floor - (each + 1) * height, width, height, BLUE,
            opacity=0.06 + 0.94 * float(strength[column, each]),
        )  # fmt: skip
    for ns, text in ((5e6, "5 ms"), (1e7, "10 ms"), (5e7, "50 ms"), (1e8, "100 ms"), (5e8, "500 ms"), (1e9, "1 s")):
        canvas.text(left - 8, y_of(ns) + 4, text, size=11, fill=MUTED, anchor="end")
        canvas.line([(790, y_of(ns)), (edge, y_of(ns))], RULE, width=0.6)
    for hour in range(0, 25, 4):
        x = left + (right - left) * hour / 24
        canvas.text(x, floor + 18, f"{hour:02d}:00", size=11, fill=MUTED, anchor="middle")
    canvas.text(right, floor + 38, "UTC", size=11, fill=MUTED, anchor="end")
    totals = cells.sum(axis=0)
    for each, total in enumerate(totals.tolist()):
        canvas.rect(790, floor - (each + 1) * height, 150 * total / int(totals.max()), height - 0.8, "#6f9bd1")
    taken = 0.0
    for share, name in ((50, "p50"), (90, "p90"), (99, "p99"), (99.9, "p99.9")):
        value = float(np.percentile(took, share))
        y = y_of(value)
        canvas.line([(790, y), (edge, y)], RED if share > 90 else INK, width=1, dash="4 3")
        taken = y - 5
        canvas.text(
            edge,
            taken,
            f"{name}  {value / 1e6:,.0f} ms",
            size=12,
            anchor="end",
            weight=600,
            fill=RED if share > 90 else INK,
        )
    return canvas


def _trace(of: Sample) -> Canvas:
    """A purchase with a second attempt, and what its message caused."""
    spans = _purchase(of)
    start, end = min(span.start for span in spans), max(span.end for span in spans)
    canvas = Canvas(
        WIDTH, 120 + 21 * len(spans), "A purchase",
        f"one user's request, {len(spans)} spans of {len({span.resource.service for span in spans})} services, and below it the traces that its message caused",
    )  # fmt: skip
    left, right = 420, WIDTH - 110

    def x_of(time: int) -> float:
        return left + (right - left) * (time - start) / (end - start)

    step = next(step for step in (10, 20, 50, 100, 200, 500, 1000) if (end - start) / 1e6 / step <= 8)
    for ms in range(0, int((end - start) / 1e6) + 1, step):
        x = x_of(start + ms * 1_000_000)
        canvas.line([(x, 92), (x, 104 + 21 * len(spans))])
        canvas.text(x, 86, f"{ms} ms", size=11, fill=MUTED, anchor="middle")
    depth: dict[bytes, int] = {}
    for row, span in enumerate(spans):
        y = 100 + 21 * row
        deep = depth[span.span_id] = depth.get(span.parent_span_id, -1) + 1
        colour = SERVICES[SERVICE_INDEX[span.resource.service]]
        if not span.parent_span_id and row:
            canvas.line([(32, y - 1.5), (WIDTH - 32, y - 1.5)], "#b8bec8", dash="3 3")
        for level in range(deep):
            canvas.line([(38 + 13 * level, y), (38 + 13 * level, y + 20)], RULE)
        canvas.rect(33 + 13 * deep, y + 5, 9, 9, colour, round_=2)
        room = max(4, int((left - 80 - 13 * deep - 7.6 * len(span.resource.service)) / 6.6))
        name = span.name if len(span.name) <= room else f"{span.name[: room - 1]}…"
        canvas.pair(47 + 13 * deep, y + 14, span.resource.service, name)
        bad = span.status_code == 2
        canvas.rect(x_of(span.start), y + 4, x_of(span.end) - x_of(span.start), 12, RED if bad else colour, round_=2)
        note = f"{(span.end - span.start) / 1e6:,.1f} ms"
        if bad:
            note += f"  {span.attributes.get('error.type', 'error')}"
        if "http.request.resend_count" in span.attributes:
            note += "  second attempt"
        if span.links:
            note += "  ← linked"
        after = x_of(span.end) + 6
        if after + 6.2 * len(note) > WIDTH - 12:
            canvas.text(x_of(span.start) - 6, y + 14, note, size=11, fill=RED if bad else INK, anchor="end")
        else:
            canvas.text(after, y + 14, note, size=11, fill=RED if bad else INK)
    return canvas


def _purchase(of: Sample) -> list[Span]:
    """Spans of the first request whose payment needed a second attempt, the traces that it caused behind its own."""
    for tick in range(of.world.ticks):
        requests = of.requests[0][tick]
        for index, shape in enumerate(requests.shape.tolist()):
            visits = requests.tables.all[shape].visits
            again = [visit.operation.attributes.get("server.address") for visit in visits if visit.attempt]
            if again == ["api.acquirer.example"]:
                numbers = {int(requests.number[index]) * 64 + position for position in range(len(visits))}
                return [span for span in cast("list[Span]", of.world.slice(0, "traces", tick)) if span.seq in numbers]
    raise AssertionError("a day without a second attempt")


def _chance(of: Sample) -> Canvas:
    """Gaps between requests against an exponential; users by rank."""
    canvas = Canvas(
        WIDTH,
        420,
        "Chance",
        "left: how long until the next request, against what chance alone would give; right: Zipf's law among users",
    )
    starts = np.sort(np.concatenate([requests.start[roots(requests)] for requests in of.requests[0][700:760]]))
    gaps = np.diff(starts)
    shares, edges = np.histogram(gaps / gaps.mean(), bins=40, range=(0, 5), density=True)
    left, right, top, floor = 90, 520, 100, 350
    low, high = math.log10(0.004), math.log10(1.6)

    def y_of(value: float) -> float:
        return floor - (math.log10(max(value, 0.004)) - low) / (high - low) * (floor - top)

    for value in (0.01, 0.1, 1):
        canvas.line([(left, y_of(value)), (right, y_of(value))])
        canvas.text(left - 8, y_of(value) + 4, f"{value:g}", size=11, fill=MUTED, anchor="end")
    for share, begins, ends in zip(shares.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        x = left + (right - left) * begins / 5
        canvas.rect(x, y_of(share), (right - left) * (ends - begins) / 5 - 1, floor - y_of(share), "#9dbde3")
    canvas.line(
        [(left + (right - left) * x / 5, y_of(math.exp(-x))) for x in np.linspace(0, 5, 60).tolist()], RED, width=1.8
    )
    canvas.text(right, top + 4, "exponential", size=12, fill=RED, anchor="end", weight=600)
    canvas.text(
        right,
        top + 22,
        f"{len(gaps):,} gaps, CV {gaps.std() / gaps.mean():.2f}",
        size=12,
        fill=BLUE,
        anchor="end",
        weight=600,
    )
    for x in range(6):
        canvas.text(left + (right - left) * x / 5, floor + 18, f"{x}", size=11, fill=MUTED, anchor="middle")
    canvas.text((left + right) / 2, floor + 40, "gap, in mean gaps", size=12, fill=MUTED, anchor="middle")

    users = np.sort(np.bincount(np.concatenate([requests.pool["user"] for requests in of.requests[0]])))[::-1]
    users = users[users > 0]
    left, right = 640, WIDTH - 50
    most, ranks = math.log10(float(users[0])), math.log10(len(users))

    def at(rank: float, count: float) -> tuple[float, float]:
        return left + (right - left) * math.log10(rank) / ranks, floor - (floor - top) * math.log10(count) / most

    for power in range(int(most) + 1):
        _, y = at(1, 10**power)
        canvas.line([(left, y), (right, y)])
        canvas.text(left - 8, y + 4, f"{10**power:,}", size=11, fill=MUTED, anchor="end")
    chosen = sorted({round(10 ** (ranks * step / 120)) for step in range(121)})
    canvas.line([at(rank, float(users[rank - 1])) for rank in chosen if rank <= len(users)], BLUE, width=2)
    canvas.line([at(rank, max(1.0, float(users[0]) / rank)) for rank in chosen], RED, width=1.4, dash="5 4")
    canvas.text(right, top + 4, "1 / rank", size=12, fill=RED, anchor="end", weight=600)
    canvas.text(right, top + 22, f"{len(users):,} users", size=12, fill=BLUE, anchor="end", weight=600)
    for power in range(int(ranks) + 1):
        x, _ = at(10**power, 1)
        canvas.text(x, floor + 18, f"{10**power:,}", size=11, fill=MUTED, anchor="middle")
    canvas.text(
        (left + right) / 2,
        floor + 40,
        "users by how busy they are: requests of each",
        size=12,
        fill=MUTED,
        anchor="middle",
    )
    return canvas


def _logs(of: Sample) -> tuple[str, int]:
    """A piece of the stream as a terminal shows it: (document, height)."""
    chosen, rows = _piece(of.lines), []
    for line in chosen:
        told = line.body.split("\n")
        for number, text in enumerate(told[:8]):
            shown = text if len(text) <= 136 else f"{text[:135]}…"
            first = number == 0
            head = (
                f'<b style="color:{_DARK["service"]}">{line.service:<15}</b><b style="color:{_DARK[line.severity]}">'
                f"{line.severity:<6}</b>" if first else " " * 21
            )  # fmt: skip
            rows.append(f"{head}{_coloured(shown) if first else f'<i>{escape(shown)}</i>'}")
        if len(told) > 8:
            rows.append(f"{'':21}<i>… {len(told) - 8} more</i>")
    height = 62 + 17 * len(rows)
    style = (
        f"html,body{{margin:0;background:{_DARK['back']}}}pre{{margin:0;padding:8px 18px;color:{_DARK['text']};"
        "font:11px/17px 'JetBrains Mono','DejaVu Sans Mono',monospace}"
        f"b{{font-weight:600}}i{{font-style:normal;color:{_DARK['dim']}}}"
        "p{margin:0;padding:10px 18px;background:#161b22;color:#8b949e;font:12px 'DejaVu Sans',sans-serif}"
    )
    title = "testbed data generate production-day · log records of all services in the order of time"
    return (
        f'<!doctype html><meta charset="utf-8"><style>{style}</style><p>{title}</p><pre>{chr(10).join(rows)}</pre>',
        height,
    )


def _piece(lines: Sequence[Written]) -> Sequence[Written]:
    """Thirty records that follow one another, with as many formats, a stack trace and a warning among them."""

    def worth(at: int) -> float:
        piece = lines[at : at + 30]
        traces = sum(line.body.count("\n") > 3 for line in piece)
        return (
            len({line.service for line in piece}) + 12 * (traces > 0) - max(0, traces - 1) + 4 * any(line.severity == "WARN" for line in piece) - sum(line.severity == "DEBUG" for line in piece)
            + 2 * (len({line.body[:1] for line in piece}))
        )  # fmt: skip

    best = max(range(len(lines) - 30), key=worth)
    return lines[best : best + 30]


_MARKS = re.compile(r"(\b[0-9a-f]{16,32}\b)|(\b\d{1,4}(?:\.\d+)?(?: ms)?\b)|(&quot;[\w. ]+&quot;(?=:))")


def _coloured(text: str) -> str:
    def mark(found: re.Match[str]) -> str:
        colour = "#8b949e" if found[1] else "#d2a8ff" if found[2] else "#79c0ff"
        return f'<span style="color:{colour}">{found[0]}</span>'

    return _MARKS.sub(mark, escape(text)) if text.rstrip("…").isascii() else escape(text)
