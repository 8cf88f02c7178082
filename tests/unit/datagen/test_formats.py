"""Every line is read by a parser that knows nothing of the generator: its format's own grammar."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from runners.datagen.formats import FORMATS, Facts, compile_format, compile_line, pii
from runners.datagen.formats.holes import HOLES, ORDER, TRACE, mark, render
from runners.datagen.formats.mix import APPLICATION, format_of
from runners.datagen.formats.pools import NOISE
from runners.datagen.formats.stacks import stack
from runners.ledger.items import LogRecord
from runners.lib.errors import FileError
from tests.unit.datagen.worlds import TEXT, scenario, world

NS = 1_795_671_748_123_456_789
VALUES = {"time": NS, "trace": 0xABC << 96 | 5, "span": 0xFEDCBA9876543210, "duration": 12_345_678, "order": 0xBEEF}
TRACE_HEX, SPAN_HEX = f"{VALUES['trace']:032x}", "fedcba9876543210"
MOMENT = datetime(2026, 11, 26, 5, 42, 28, tzinfo=UTC)
ERROR = ("TimeoutError", 'model server said "no" \\ after 250 ms')
LANGUAGES = ("python", "java", "go", "nodejs", "dotnet", "rust")
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Co")), max_size=60)


def facts(message: str = "order placed", **more: object) -> Facts:
    given = {
        "service": "payment", "language": "go", "operation": "GET /products/{id}", "severity": "INFO",
        "message": message, "about": {"user": "u17", "status": 200}, "variant": 3, **more,
    }  # fmt: skip
    return Facts(**given)  # type: ignore[arg-type]


def written(name: str, of: Facts) -> str:
    return compile_format(name, of).fill(VALUES).decode()  # type: ignore[arg-type]


def logfmt(line: str) -> dict[str, str]:
    """A reader in the manner of kr/logfmt: bare words, or quoted ones with escapes."""
    found = {}
    rest = line
    while rest:
        match = re.match(r'([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"=]*))(?: |$)', rest)
        assert match, rest
        key, quoted, bare = match.groups()
        found[key] = json.loads(f'"{quoted}"') if quoted is not None else bare
        rest = rest[match.end() :]
    return found


@given(TEXTS, st.sampled_from([None, ERROR]), st.sampled_from(LANGUAGES))
def test_json_lines_are_json(message: str, error: tuple[str, str] | None, language: str) -> None:
    line = written("json", facts(message, error=error, language=language))
    assert "\n" not in line
    read = json.loads(line)
    assert read["msg"] == message and read["trace_id"] == TRACE_HEX and read["span_id"] == SPAN_HEX
    assert read["time"] == "2026-11-26T05:42:28.123456Z" and read["duration_s"] == 0.012345
    assert read["user"] == "u17" and read["status"] == 200
    assert ("error.stack" in read) == (error is not None)


@given(TEXTS, st.sampled_from([None, ERROR]))
def test_logfmt_lines_are_read_back_whole(message: str, error: tuple[str, str] | None) -> None:
    line = written("logfmt", facts(message, error=error))
    assert "\n" not in line
    read = logfmt(line)
    assert read["msg"] == message and read["trace_id"] == TRACE_HEX and read["duration"] == "0.012345"
    assert read.get("error") == (None if error is None else f"{error[0]}: {error[1]}")


COMBINED = re.compile(
    r'(?P<addr>[\d.]+) - (?P<user>\S+) \[(?P<time>[^\]]+)\] "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/\d(?:\.\d)?"'
    r' (?P<status>\d{3}) (?P<bytes>\d+) "(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)


@pytest.mark.parametrize("variant", range(20))
def test_access_lines_are_nginx_combined(variant: int) -> None:
    about = {"method": "GET", "path": f"/api/products/{variant}", "client": "203.0.113.9", "user": "u2", "status": 503}
    match = COMBINED.fullmatch(written("nginx", facts(about=about, variant=variant)))
    assert match is not None
    assert datetime.strptime(match["time"], "%d/%b/%Y:%H:%M:%S %z") == MOMENT
    assert (match["path"], match["status"], match["user"]) == (f"/api/products/{variant}", "503", "u2")


# RFC 5424, section 6: HEADER SP STRUCTURED-DATA [SP MSG], with one SD-ELEMENT.
RFC5424 = re.compile(
    r"<(?P<pri>[1-9]\d{0,2}|0)>1 (?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48})"
    r" (?P<proc>[!-~]{1,128}) (?P<msgid>[!-~]{1,32}) "
    r'\[(?P<id>[!-<>-\\^-~]{1,32})(?P<params>(?: [!-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\.)*")*)\] (?P<msg>.*)'
)


@pytest.mark.parametrize(("severity", "number"), [("DEBUG", 7), ("INFO", 6), ("WARN", 4), ("ERROR", 3)])
@pytest.mark.parametrize("error", [None, ERROR])
def test_syslog_lines_are_rfc_5424(severity: str, number: int, error: tuple[str, str] | None) -> None:
    of = facts(severity=severity, error=error, about={"http.route": '/a]"\\b'})
    match = RFC5424.fullmatch(written("rfc5424", of))
    assert match is not None
    facility, found = divmod(int(match["pri"]), 8)
    assert (facility, found) == (16, number)
    assert f'trace_id="{TRACE_HEX}"' in match["params"] and r'http_route="/a\]\"\\b"' in match["params"]


KLOG = re.compile(
    r"([IWEF])(\d{2})(\d{2}) (\d{2}:\d{2}:\d{2}\.\d{6}) {1,7}(\d+) ([^:\s]+\.(?:cs|go|java|js|py|rs)):(\d+)\] (\"(?:[^\"\\]|\\.)*\")(.*)"
)


@given(TEXTS, st.sampled_from([None, ERROR]))
def test_klog_lines_have_its_header(message: str, error: tuple[str, str] | None) -> None:
    match = KLOG.fullmatch(written("klog", facts(message, error=error, severity="ERROR" if error else "INFO")))
    assert match is not None
    assert match[1] == ("E" if error else "I") and (match[2], match[3]) == ("11", "26")
    assert match[4] == "05:42:28.123456" and json.loads(match[8]) == message
    assert logfmt(match[9].strip())["trace_id"] == TRACE_HEX


@pytest.mark.parametrize("name", ["klog", "plain"])
@pytest.mark.parametrize(
    ("language", "extension"),
    [("go", "go"), ("java", "java"), ("python", "py"), ("nodejs", "js"), ("dotnet", "cs"), ("rust", "rs")],
)
def test_the_file_that_a_line_names_is_of_its_services_language(name: str, language: str, extension: str) -> None:
    found = re.findall(r"\w+\.(\w+):\d+\b", written(name, facts(language=language, about={})))
    assert found == [extension]


POSTGRES = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC) \[(\d+)\] (\w+)@(\w+) (LOG|WARNING|ERROR|STATEMENT|DETAIL):  (.*)"
)


@pytest.mark.parametrize("error", [None, ("OperationalError", "canceling statement due to statement timeout")])
def test_database_lines_are_those_of_postgresql(error: tuple[str, str] | None) -> None:
    of = facts(error=error, severity="ERROR" if error else "DEBUG", about={"statement": "SELECT * FROM orders"})
    lines = [POSTGRES.fullmatch(line) for line in written("postgres", of).split("\n")]
    assert all(lines) and {line[1] for line in lines if line} == {"2026-11-26 05:42:28.123 UTC"}
    assert [line[5] for line in lines if line] == (["ERROR", "STATEMENT"] if error else ["LOG"])
    assert lines[-1] and "SELECT * FROM orders" in lines[-1][6]


FRAMES = {
    "python": r'  File "/app/payment/(?:handlers|store)\.py", line \d+, in get_products_id',
    "java": r"\tat com\.example\.shop\.payment\.Payment(?:Store|Controller)\.getProductsId\(Payment\w+\.java:\d+\)",
    "go": r"shop\.example\.com/payment/(?:store|server)\.\(\*\w+\)\.GetProductsId\(.*\)\n\t/src/payment/\w+/\w+\.go:\d+ \+0x[0-9a-f]+",
    "nodejs": r"    at (?:async )?getProductsId \(/app/payment/src/\w+\.js:\d+:\d+\)",
    "dotnet": r"   at Shop\.Payment\.\w+\.GetProductsId\(.*\) in /src/Payment/\w+\.cs:line \d+",
    "rust": r"   \d: payment::\w+::get_products_id\n             at \./src/\w+\.rs:\d+:\d+",
}
FIRST = {
    "python": r"Traceback \(most recent call last\):",
    "java": r"com\.example\.shop\.payment\.\w+: .*",
    "go": r"panic: .*",
    "nodejs": r"\w+: .*",
    "dotnet": r"Shop\.Payment\.\w+: .*",
    "rust": r"thread '.*' panicked at .*:\d+:\d+:",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_stack_traces_have_two_frames_of_the_service_and_its_operation(language: str) -> None:
    text = stack(facts(language=language, error=("QuoteError", "no carrier")))
    assert re.fullmatch(FIRST[language], text.split("\n")[0])
    assert len(re.findall(FRAMES[language], text)) == 2
    assert "QuoteError" in text and "no carrier" in text
    assert len(text.split("\n")) >= 4
    assert text == stack(facts(language=language, error=("QuoteError", "no carrier")))
    assert text != stack(facts(language=language, operation="POST /charges", error=("QuoteError", "no carrier")))


def test_the_raising_line_of_a_python_trace_is_python() -> None:
    text = stack(facts(language="python", error=ERROR))
    raising = next(line.strip() for line in text.split("\n") if line.strip().startswith("raise"))
    compile(raising, "store.py", "exec")


def test_what_did_not_fail_has_no_trace() -> None:
    with pytest.raises(ValueError, match="no error"):
        stack(facts())


PLAIN = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (\w+) +\[payment\] \[trace_id=(\w{32}) span_id=(\w{16})\] \S+:\d+ - (.*)"
)


def test_a_plain_line_is_followed_by_its_trace() -> None:
    first, *rest = written("plain", facts(language="java", severity="ERROR", error=("QuoteError", "x"))).split("\n")
    match = PLAIN.fullmatch(first)
    assert match is not None and (match[1], match[2], match[3]) == ("2026-11-26 05:42:28,123", "ERROR", TRACE_HEX)
    assert rest[1].startswith("\tat ")
    assert "\n" not in written("plain", facts())


@given(st.integers(0, 10**6))
def test_card_numbers_look_right_and_fail_the_check_on_purpose(variant: int) -> None:
    line = compile_line(f"card {pii.personal('card', variant)} declined")
    ((kind, at, width),) = line.private
    digits = line.text[at : at + width].decode()
    assert kind == "card" and re.fullmatch(r"\d{16}", digits)
    doubled = [int(digit) * (2 - index % 2) for index, digit in enumerate(digits)]  # 16 digits: the first is doubled
    assert sum(value // 10 + value % 10 for value in doubled) % 10 != 0


def test_a_true_card_number_passes_the_check() -> None:
    assert pii.luhn("4111111111111111") and not pii.luhn("4111111111111112")


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"noise", "nginx", "postgres"}))
def test_personal_fields_are_marked_where_they_stand(name: str) -> None:
    message = (
        f"mail {pii.personal('email', 1)} to {pii.personal('phone', 2)} about ü {mark(ORDER)} {pii.personal('card', 3)}"
    )
    line = compile_format(name, facts(message))
    text = line.fill(VALUES)  # type: ignore[arg-type]
    found = {kind: text[at : at + width].decode() for kind, at, width in line.private}
    assert re.fullmatch(r"[a-z]+\.[a-z]+\d{1,2}@(?:mail\.)?example\.(?:com|org|net)", found["email"])
    assert re.fullmatch(r"\+1-202-555-01\d\d|\+44 20 7946 0\d{3}", found["phone"])
    assert len(found["card"]) == 16 and set(found) == {"email", "phone", "card"}
    assert b"000000beef" in text
    assert not re.search("[\ue000-\uf8ff]", text.decode())


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_line_is_sound_before_it_is_filled_and_its_holes_lie_apart(name: str) -> None:
    line = compile_format(name, facts())
    spans = sorted((at, at + hole.width) for hole, at in line.holes)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert all(hole.width >= 8 for hole, _ in line.holes)
    assert len(line.fill(VALUES)) == len(line.text)  # type: ignore[arg-type]
    line.text.decode()


def test_a_torn_hole_is_refused() -> None:
    with pytest.raises(ValueError, match="torn"):
        compile_line(mark(TRACE)[:-1])


def test_variants_differ_and_are_the_same_each_time() -> None:
    lines = [compile_format("nginx", facts(variant=number)).text for number in range(64)]
    assert len(set(lines)) > 55
    assert lines == [compile_format("nginx", facts(variant=number)).text for number in range(64)]


def test_a_service_keeps_to_one_format_and_a_mix_is_kept() -> None:
    assert format_of((("klog", 1),), "payment", "nodejs") == "klog"
    chosen = [format_of((("json", 3), ("logfmt", 1)), f"service-{number}", "go") for number in range(400)]
    assert 0.68 < chosen.count("json") / 400 < 0.82 and set(chosen) == {"json", "logfmt"}
    assert {format_of((), f"s{n}", language) for n in range(50) for language in LANGUAGES} <= set(APPLICATION)


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: hole.name)
def test_a_value_fills_its_hole_exactly(hole: object) -> None:
    for value in (0, 1, 999_999_999, 10**10, 1_795_671_748_999_999_999 if hole.source == "time" else 0xFFFF):  # type: ignore[attr-defined]
        text = render(hole, value)  # type: ignore[arg-type]
        assert len(text) == hole.width and text.isascii()  # type: ignore[attr-defined]


def test_the_shop_writes_in_every_format() -> None:
    of = world()
    bodies = {
        (item.resource.service, item.body) for tick in range(of.ticks) for tenant in (0, 1)
        for item in of.slice(tenant, "logs", tick) if isinstance(item, LogRecord)
    }  # fmt: skip
    found = {
        "json": [body for _, body in bodies if body.startswith("{")],
        "logfmt": [body for _, body in bodies if body.startswith("time=")],
        "nginx": [body for _, body in bodies if COMBINED.fullmatch(body)],
        "rfc5424": [body for _, body in bodies if RFC5424.fullmatch(body)],
        "klog": [body for _, body in bodies if KLOG.fullmatch(body)],
        "postgres": [body for _, body in bodies if POSTGRES.match(body)],
        "plain": [body for service, body in bodies if re.match(rf"\S+ \S+ \w+ +\[{service}\]", body)],
    }
    assert {name: len(lines) for name, lines in found.items() if len(lines) < 20} == {}
    noise = [body for _, body in bodies if body in NOISE]
    assert noise and len(noise) < len(bodies) / 50
    assert sum(map(len, found.values())) + len(noise) == len(bodies)
    for line in found["json"]:
        json.loads(line)
    for line in found["logfmt"]:
        assert {"time", "level", "msg", "trace_id"} <= logfmt(line).keys()
    assert any("\nTraceback" in body or "\n\tat " in body for body in found["plain"])


def test_a_scenario_says_in_which_formats_services_write() -> None:
    text = TEXT + "logs: {formats: {rfc5424: 1}}\n"
    of = world(text=text)
    bodies = [item.body for tick in range(3) for item in of.slice(0, "logs", tick) if isinstance(item, LogRecord)]
    assert all(
        RFC5424.fullmatch(body) or COMBINED.fullmatch(body) or POSTGRES.match(body) or body in NOISE for body in bodies
    )
    assert sum(RFC5424.fullmatch(body) is not None for body in bodies) > len(bodies) / 2
    sent = [
        record.body.string_value
        for batch in of.batches(1) if (batch.signal, batch.tenant) == ("logs", 0)
        for resource in ExportLogsServiceRequest.FromString(bytes(of.parcel(batch).body)).resource_logs
        for record in resource.scope_logs[0].log_records
    ]  # fmt: skip
    assert sorted(sent) == sorted(item.body for item in of.slice(0, "logs", 1) if isinstance(item, LogRecord))
    assert any(body.startswith("{") for item in world().slice(0, "logs", 1) if (body := getattr(item, "body", "")))


@pytest.mark.parametrize("formats", ["{xml: 1}", "{json: 0}", "{json: -1}", "[json]"])
def test_a_mix_of_what_there_is_not_is_refused(formats: str) -> None:
    with pytest.raises(FileError) as caught:
        scenario(TEXT + f"logs: {{formats: {formats}}}\n")
    assert caught.value.line == 16
