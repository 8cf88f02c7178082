"""The time line: phases, stages, faults, load, latency, ground truth and write probe over one axis."""

from __future__ import annotations

import json
import math
from collections.abc import Callable

from runners.lib.units import format_duration
from runners.report import words
from runners.report.collect import phase_windows
from runners.report.model import ITEM_NAMES, SIGNALS, Report, Series
from runners.report.svg import glyph, kind, path, per_cent, ruler, safe, stretched

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 21600)
_LATENCY = (0.001, 20.0)  # seconds, logarithmic


def ticks(duration: float) -> list[float]:
    """8 to 11 moments where they fit, never more than 12."""
    step = next((step for step in _STEPS if duration / step <= 11), _STEPS[-1])
    return [float(t) for t in range(0, int(duration) + 1, step)]


def definitions(report: Report) -> str:
    """Bands and grid, drawn once and used in every lane."""
    n = report.duration_s
    bands = ""
    for fault in report.faults:
        stop = fault.reverted if fault.reverted is not None else n
        bands += f'<rect class="bf" x="{per_cent(fault.injected, n)}" width="{per_cent(max(stop - fault.injected, 0), n)}" height="100%"/>'
        if fault.recovered is not None and fault.recovered > stop:
            bands += f'<rect class="br" x="{per_cent(stop, n)}" width="{per_cent(fault.recovered - stop, n)}" height="100%"/>'
    grid = "".join(f'<line class="gl" x1="{per_cent(t, n)}" x2="{per_cent(t, n)}" y2="100%"/>' for t in ticks(n))
    return f'<g id="bd">{bands}</g><g id="bg">{bands}{grid}</g>'


def draw(report: Report) -> str:
    """The whole figure with its two tables (events, values) for readers who do not look."""
    lanes = [_axis(report), _phases(report), _stages(report)]
    if report.faults:
        lanes.append(_faults(report))
    lanes += [lane for lane in (_load(report), _latency(report), *_truth(report), _probe(report)) if lane]
    return (
        '<figure><div class="read" id="at"><span class="hint s">Figures are for the whole run; point at the time line, or focus '
        f'its axis and use the arrow keys, for those of a moment.</span></div><div class="tl"><div class="cur"></div>{"".join(lanes)}</div>'
        f'</figure>{_events_table(report)}<script type="application/json" id="tl-data">{_cursor(report)}</script>'
    )


def _lane(
    title: str, height: int, body: str, *, legend: str = "", rows: list[str] | None = None, identity: str = ""
) -> str:
    inner = f"<ol>{''.join(f'<li>{safe(row)}</li>' for row in rows)}</ol>" if rows else f"<ul>{legend}</ul>"
    label = f'<div class="ll{" rows" if rows else ""}"{identity}><b>{title}</b>{inner}</div>'
    return f'<div class="lane">{label}<div class="lp"><svg class="c" height="{height}" aria-hidden="true"><use href="#bg"/>{body}</svg></div></div>'


def _legend(css: str, name: str, key: str = "", whole: str = "", *, area: bool = False) -> str:
    shape = f'<rect class="{css}" width="18" height="9"/>' if area else f'<line class="{css}" x2="18" y1="5" y2="5"/>'
    output = f'<output data-s="{key}">{safe(whole)}</output>' if key else ""
    return f'<li><svg aria-hidden="true">{shape}</svg>{safe(name)} {output}</li>'


def _axis(report: Report) -> str:
    n = report.duration_s
    marks = ticks(n)
    fine = n < 300
    body = ""
    for index, t in enumerate(marks):
        text = words.clock(report.started_at + t)
        anchor = "start" if index == 0 else "end" if t / n > 0.93 else "middle"
        body += (
            f'<line class="gx" x1="{per_cent(t, n)}" x2="{per_cent(t, n)}" y1="18" y2="24"/>'
            f'<text class="tk{" alt" if index % 2 else ""}" x="{per_cent(t, n)}" y="13" text-anchor="{anchor}">{text if fine else text[:5]}</text>'
        )
    return (
        '<div class="lane ax"><div class="ll"><span class="d">time, UTC</span></div><div class="lp"><div class="scrub" tabindex="0" '
        'role="slider" aria-label="Position on the time line. Arrow keys move, with shift ten steps; page down goes to the next event" '
        f'aria-valuemin="0" aria-valuemax="{n:.0f}" aria-valuenow="0" aria-valuetext="{words.clock(report.started_at)}">'
        f'<svg class="c" height="24" aria-hidden="true">{body}</svg></div></div></div>'
    )


def _phases(report: Report) -> str:
    n, body = report.duration_s, ""
    for begin, stop, name in phase_windows(report.faults, n):
        if (stop - begin) / n > 0.03:
            body += f'<text class="an" x="{per_cent(begin, n)}" dx="4" y="18">{name}</text>'
        body += f'<line class="gx" x1="{per_cent(begin, n)}" x2="{per_cent(begin, n)}" y2="29"/>'
    return _lane("Phase", 29, body, identity=' id="phl"')


def _stages(report: Report) -> str:
    n, body = report.duration_s, ""
    for row, stage in enumerate(report.stages):
        y, mark = 22 + 15 * row, kind(stage.verdict)
        if stage.begin is None or stage.end is None:
            body += (
                f'<rect class="hq" x="0" width="100%" y="{y + 3}" height="9" opacity=".55"/>'
                f'<text class="an v hm" x="50%" text-anchor="middle" y="{y + 11}">{safe(stage.state)}</text>'
            )
            continue
        css = {"fail": " k", "inv": " i", "none": " i"}.get(mark, "")
        width = max(stage.end - stage.begin, n / 400)
        body += (
            f'<rect class="bs{" k" if mark == "fail" else ""}" x="{per_cent(stage.begin, n)}" width="{per_cent(width, n)}" y="{y + 2}" height="11"/>'
            f'<rect class="be{css}" x="{per_cent(stage.begin, n)}" width="3" y="{y + 2}" height="11"/>'
            f'<use href="#g-{mark}" class="g {mark}" x="{per_cent(stage.end, n)}" y="{y + 2}" width="11" height="11" '
            f'transform="translate({-15 if (stage.end - stage.begin) / n > 0.06 or stage.end / n > 0.86 else 3})"/>'
        )
    rows = [stage.name for stage in report.stages]
    return _lane("Stages", 27 + 15 * len(rows), body + _row_names(rows), rows=rows)


def _faults(report: Report) -> str:
    n, body = report.duration_s, ""
    for row, fault in enumerate(report.faults):
        y = 22 + 15 * row
        stop = fault.reverted if fault.reverted is not None else n
        tail = max(fault.recovered or stop, stop)
        recover = fault.time_to_recover_s
        text = "no recovery seen" if recover is None else f"recovered in {format_duration(recover)}"
        if fault.time_to_detect_s is not None:
            text = f"felt after {format_duration(fault.time_to_detect_s)}, {text}"
        near_end = tail / n > 0.62
        place = f'x="{per_cent(fault.injected if near_end else tail, n)}" dx="{-5 if near_end else 5}" text-anchor="{"end" if near_end else "start"}"'
        body += (
            f'<rect class="fr" x="{per_cent(stop, n)}" width="{per_cent(tail - stop, n)}" y="{y + 4}" height="7"/>'
            f'<rect class="fb" x="{per_cent(fault.injected, n)}" width="{per_cent(max(stop - fault.injected, n / 400), n)}" y="{y + 2}" height="11"/>'
            f'<text class="an hm {"f" if recover is None else "o"}" {place} y="{y + 12}">{safe(text)}</text>'
        )
    rows = [f"{fault.number}  {fault.name}" for fault in report.faults]
    return _lane("Faults", 27 + 15 * len(rows), body + _row_names(rows), rows=rows)


def _row_names(rows: list[str]) -> str:
    return "".join(f'<text class="rn" x="2" y="{33 + 15 * i}">{safe(row)}</text>' for i, row in enumerate(rows))


def _nice(value: float) -> float:
    """The next of 1, 2, 5 × 10ⁿ at or above a value."""
    if value <= 0:
        return 1.0
    power = 10 ** math.floor(math.log10(value))
    return float(next(step * power for step in (1, 2, 5, 10) if step * power >= value))


def _peak(series: Series | None) -> float:
    return max((value for value in series.values if value is not None), default=0.0) if series else 0.0


def _mean(series: Series) -> float:
    values = [value for value in series.values if value is not None]
    return sum(values) / len(values)


def _load(report: Report) -> str:
    rate, errors = report.series.get("rate"), report.series.get("errors")
    if rate is None:
        return ""
    top = _nice(_peak(rate) * 1.05)
    lines, texts = ruler(76, [(top / 2, f"{top / 2:g}/s"), (top, "")], lambda v: v / top)
    body = lines
    error_path = ""
    if errors:
        error_path = f'<path class="ae" d="{path([v or None for v in errors.values], lambda v: v / 100, area=True)}"/>'
    body += stretched(f'{error_path}<path class="l2" d="{path(rate.values, lambda v: v / top)}"/>') + texts
    failed = sum(row.total.errors for row in report.operations)
    total = sum(row.total.count for row in report.operations)
    legend = _legend("l2", "requests", "rate", f"{_mean(rate):.0f}/s")
    legend += _legend("ae", "errors", "errors", f"{100 * failed / max(total, 1):.2g} %", area=True)
    return _lane("Load", 76, body, legend=legend)


def _logarithmic(value: float) -> float:
    low, high = (math.log10(edge) for edge in _LATENCY)
    return (math.log10(max(value, _LATENCY[0])) - low) / (high - low)


def _latency(report: Report) -> str:
    if "p95" not in report.series:
        return ""
    marks = [(0.01, "10 ms"), (0.1, "100 ms"), (1.0, "1 s"), (10.0, "10 s")]
    lines, texts = ruler(108, marks, _logarithmic)
    paths = "".join(
        f'<path class="{css}" d="{path(report.series[name].values, _logarithmic)}"/>'
        for name, css in (("p50", "l1"), ("p99", "l3"), ("p95", "l2"))
    )
    legend = ""
    for name, css, q in (("p50", "l1", 0.5), ("p95", "l2", 0.95), ("p99", "l3", 0.99)):
        merged = sorted(filter(None, (row.total.quantile(q) for row in report.operations)))
        legend += _legend(css, name, name, format_duration(merged[-1]) if merged else "–")
    return _lane('Latency <span class="d">log</span>', 108, lines + stretched(paths) + texts, legend=legend)


def _truth(report: Report) -> list[str]:
    lanes = []
    for signal in SIGNALS:
        sent, acked = report.series.get(f"sent.{signal}"), report.series.get(f"acked.{signal}")
        if sent is None or acked is None:
            continue
        top = _nice(max(_peak(sent), _peak(acked)) * 1.05)
        scale: Callable[[float], float] = lambda v, top=top: v / top  # type: ignore[misc]  # noqa: E731
        body = stretched(
            f'<path class="ar" d="{path(acked.values, scale, area=True)}"/><path class="la" d="{path(acked.values, scale)}"/>'
            f'<path class="ls" d="{path(sent.values, scale)}"/>'
        )
        counts = (report.audit or {}).get("signals", {}).get(signal, {})
        if report.audit is None:  # as the sender counted
            counts = {"sent": _sum(sent), "acked": _sum(acked)}
        for gap in (report.audit or {}).get("gaps", []):
            if gap.get("signal") == signal and gap.get("from") is not None:
                at = float(gap["from"]) - report.started_at
                width = max(float(gap["to"]) - float(gap["from"]), report.duration_s / 400)
                body += f'<rect class="hole" x="{per_cent(at, report.duration_s)}" width="{per_cent(width, report.duration_s)}" y="52" height="8"/>'
        lost = counts.get("lost")
        legend = _legend(
            "ls", "sent", f"sent.{signal}", f"{counts['sent']:,}" if counts.get("sent") is not None else ""
        )
        legend += _legend(
            "la", "acked", f"acked.{signal}", f"{counts['acked']:,}" if counts.get("acked") is not None else ""
        )
        note = (
            ""
            if lost is None
            else f'<text class="an {"f" if lost else ""}" x="100%" text-anchor="end" y="12">{lost:,} lost</text>'
        )
        lanes.append(_lane(f"{ITEM_NAMES[signal].capitalize()}", 62, body + note, legend=legend))
    return lanes


def _sum(counted: Series) -> int:
    return round(sum(value or 0.0 for value in counted.values) * counted.step)


def _probe(report: Report) -> str:
    probe = report.series.get("probe.write")
    if probe is None:
        return ""
    n, body = report.duration_s, ""
    for index, value in enumerate(probe.values):
        if value is None:
            continue
        x, width = per_cent(index * probe.step, n), per_cent(probe.step, n)
        if value < 100:
            body += f'<rect class="hd" x="{x}" width="{width}" y="{4 + 14 * value / 100:.1f}" height="{14 * (1 - value / 100):.1f}"/>'
        else:
            body += f'<line class="hh" x1="{x}" x2="{per_cent((index + 1) * probe.step, n)}" y1="18" y2="18"/>'
    legend = _legend("hd", "failed writes", "probe.write", f"{_mean(probe):.1f} % ok", area=True)
    return _lane("Write probe", 42, body, legend=legend)


def _moments(report: Report) -> list[tuple[float, str]]:
    found = []
    for fault in report.faults:
        found.append((fault.injected, f"fault {fault.number} injected: {fault.name}"))
        if fault.detected is not None:
            found.append((fault.detected, f"fault {fault.number} felt by the write probe"))
        if fault.reverted is not None:
            found.append((fault.reverted, f"fault {fault.number} reverted" + (f" by {fault.by}" if fault.by else "")))
        if fault.recovered is not None:
            found.append((fault.recovered, f"fault {fault.number} recovered: writes succeed again"))
    for stage in report.stages:
        if stage.begin is not None:
            found.append((stage.begin, f"stage {stage.name} starts"))
        if stage.end is not None and stage.state not in ("running", "queued"):
            found.append((stage.end, f"stage {stage.name} {stage.verdict or stage.state}"))
    return sorted(found)


def _events_table(report: Report) -> str:
    rows = "".join(
        f"<tr><td>{words.clock(report.started_at + t)}</td><td class=r>+{t:.2f} s</td><td>{safe(text)}</td></tr>"
        for t, text in _moments(report)
    )
    return (
        f'<details class="tab"><summary>Events of the time line as a table</summary><div class="x" tabindex="0" role="region" aria-label="Events">'
        f"<table><thead><tr><th scope=col>UTC</th><th scope=col class=r>Since start</th><th scope=col>What</th></tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


_CURSOR = {
    "rate": ("requests", "/s", 1), "errors": ("errors", " %", 1), "p50": ("p50", "ms", 1000), "p95": ("p95", "ms", 1000),
    "p99": ("p99", "ms", 1000), "probe.write": ("writes that succeed", " %", 1),
}  # fmt: skip


def _coarser(series: Series, step: float) -> Series:
    """The same at a larger step: the mean of what each step holds."""
    if series.step >= step:
        return series
    size = round(step / series.step)
    parts = [[v for v in series.values[at : at + size] if v is not None] for at in range(0, len(series.values), size)]
    return Series(series.unit, step, [sum(part) / len(part) if part else None for part in parts])


def _cursor(report: Report) -> str:
    step = max((series.step for series in report.series.values()), default=1.0)
    values = {}
    for key, series in report.series.items():
        series = _coarser(series, step)
        name, unit, factor = _CURSOR.get(key, (key.replace(".", " "), "/s", 1))
        values[key] = {"n": name, "u": unit, "v": [None if v is None else round(v * factor, 1) for v in series.values]}
    length = max((len(item["v"]) for item in values.values()), default=1)
    bands = [
        [round(fault.injected, 2), round(fault.recovered or fault.reverted or report.duration_s, 2), fault.name]
        for fault in report.faults
    ]
    document = {
        "t0": round(report.started_at % 86400, 2), "n": round(report.duration_s, 2), "step": step, "len": length,
        "s": values, "b": bands, "e": [[round(t, 2), text] for t, text in _moments(report)],
    }  # fmt: skip
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def verdict_sign(verdict: str | None) -> str:
    """Sign and word of a verdict for a table cell."""
    mark = kind(verdict)
    word = {"invalid": "not assessed", "not_run": "not run", None: "none"}.get(verdict, verdict)
    return f'<span class="nw">{glyph(mark, word=False)} <span class="{mark}">{safe(word)}</span></span>'
