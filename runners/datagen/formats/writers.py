"""The formats: from the facts of a record to its line, holes marked. One function each, named as in a scenario."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from runners.datagen.formats.code import place
from runners.datagen.formats.holes import CLF, COMMA, ISO, KLOG, PG, SECONDS, SPAN, TRACE, mark
from runners.datagen.formats.line import Facts, Line, compile_line
from runners.datagen.formats.pools import AGENTS, NOISE, REFERRERS, number, pick
from runners.datagen.formats.stacks import stack

_LETTERS = {"DEBUG": "I", "INFO": "I", "WARN": "W", "ERROR": "E"}
_SYSLOG = {"DEBUG": 7, "INFO": 6, "WARN": 4, "ERROR": 3}
_LOCAL0 = 16
_BARE = re.compile(r'[^"=\\\s\x00-\x20]+')  # what logfmt writes without quotation marks
_PG_LEVELS = {"DEBUG": "LOG", "INFO": "LOG", "WARN": "WARNING", "ERROR": "ERROR"}
_EXTENSIONS = {"go": "go", "java": "java", "python": "py", "nodejs": "js", "dotnet": "cs", "rust": "rs"}


def compile_format(name: str, facts: Facts) -> Line:
    """The line that this format makes of the facts. Raises KeyError for a format that there is none of."""
    return compile_line(FORMATS[name](facts))


def _json(facts: Facts) -> str:
    fields: dict[str, str | int] = {
        "time": mark(ISO), "level": facts.severity.lower(), "logger": f"shop.{facts.service}", "msg": facts.message,
        "trace_id": mark(TRACE), "span_id": mark(SPAN), **facts.about,
    }  # fmt: skip
    if facts.error is not None:
        fields["error.type"], fields["error.stack"] = facts.error[0], stack(facts)
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return f'{text[:-1]},"duration_s":{mark(SECONDS)}}}'


def _logfmt(facts: Facts) -> str:
    fields: dict[str, str | int] = {
        "time": mark(ISO), "level": facts.severity.lower(), "msg": facts.message, "trace_id": mark(TRACE),
        "span_id": mark(SPAN), "duration": mark(SECONDS), **facts.about,
    }  # fmt: skip
    if facts.error is not None:
        fields["error"] = f"{facts.error[0]}: {facts.error[1]}"
    return " ".join(f"{name}={_logfmt_value(value)}" for name, value in fields.items())


def _logfmt_value(value: str | int) -> str:
    text = str(value)
    return text if _BARE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _nginx(facts: Facts) -> str:
    """The format `combined` (ngx_http_log_module)."""
    about, of = facts.about, (facts.service, facts.operation, facts.variant)
    method, _, path = facts.operation.partition(" ")
    status = about.get("status", 500 if facts.error else 200)
    request = f"{about.get('method', method)} {about.get('path', path or '/')} HTTP/2.0"
    return (
        f"{about.get('client', f'203.0.113.{number(1, 254, *of)}')} - {about.get('user', '-')} [{mark(CLF)}]"
        f' "{request}" {status} {number(180, 40_000, "bytes", *of)}'
        f' "{pick(REFERRERS, "referrer", *of)}" "{about.get("agent", pick(AGENTS, "agent", *of))}"'
    )


def _rfc5424(facts: Facts) -> str:
    """RFC 5424: PRI, version, time, host, app, process, message id, structured data, message."""
    priority = _LOCAL0 * 8 + _SYSLOG[facts.severity]
    data = f'[app@32473 trace_id="{mark(TRACE)}" span_id="{mark(SPAN)}"'  # 32473: the enterprise number for examples
    data += "".join(f' {name.replace(".", "_")}="{_syslog_value(value)}"' for name, value in facts.about.items())
    message = facts.message if facts.error is None else f"{facts.message} #012 {stack(facts)}".replace("\n", "#012")
    return (
        f"<{priority}>1 {mark(ISO)} {facts.service}.shop.svc {facts.service} {number(2, 4000, facts.service)}"
        f" {place(facts.service, facts.operation).snake[:32]} {data}] {message}"
    )


def _syslog_value(value: str | int) -> str:
    return str(value).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _klog(facts: Facts) -> str:
    """klog v2: Lmmdd hh:mm:ss.uuuuuu threadid file:line] message, keys and values."""
    where = place(facts.service, facts.operation)
    fields = {"trace_id": mark(TRACE), "span_id": mark(SPAN), **facts.about}
    if facts.error is not None:
        fields["err"] = f"{facts.error[0]}: {facts.error[1]}"
    pairs = " ".join(
        f"{name}={value}" if isinstance(value, int) else f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in fields.items()
    )
    file = f"{where.words[-1]}.{_EXTENSIONS.get(facts.language, 'go')}:{where.line}"
    return (
        f"{_LETTERS[facts.severity]}{mark(KLOG)} {number(1, 9999, facts.service):7d} {file}]"
        f" {json.dumps(facts.message, ensure_ascii=False)} {pairs}"
    )


def _postgres(facts: Facts) -> str:
    """PostgreSQL's stderr with log_line_prefix = '%m [%p] %q%u@%d ', which is Debian's."""
    statement = str(facts.about.get("statement", f"SELECT 1 -- {facts.service}"))
    prefix = f"{mark(PG)} [{number(300, 32_000, facts.service, facts.variant % 8)}] {facts.service}@{facts.service} "
    if facts.error is None:
        return f"{prefix}{_PG_LEVELS[facts.severity]}:  statement: {statement}"
    message = facts.error[1]
    return f"{prefix}{_PG_LEVELS[facts.severity]}:  {message}\n{prefix}STATEMENT:  {statement}"


def _plain(facts: Facts) -> str:
    """Python's logging and Java's Logback by default, more or less; a trace follows on lines of its own."""
    where = place(facts.service, facts.operation)
    source = f"{facts.service}/handlers.{_EXTENSIONS.get(facts.language, 'py')}:{where.line}"
    line = (
        f"{mark(COMMA)} {facts.severity:<5} [{facts.service}] [trace_id={mark(TRACE)} span_id={mark(SPAN)}] {source}"
        f" - {facts.message}"
    )
    return line if facts.error is None else f"{line}\n{stack(facts)}"


def _noise(facts: Facts) -> str:
    """What somebody once printed: no time, no structure."""
    return pick(NOISE, facts.service, facts.operation, facts.variant)


FORMATS: dict[str, Callable[[Facts], str]] = {
    "json": _json, "logfmt": _logfmt, "nginx": _nginx, "rfc5424": _rfc5424, "klog": _klog, "postgres": _postgres,
    "plain": _plain, "noise": _noise,
}  # fmt: skip
