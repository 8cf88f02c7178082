"""Every dependency of the platform is killed, paused, slowed, made to answer errors and noise, alone and in pairs.

What must hold meanwhile: each answer within its budget, of a declared status, errors in the envelope; a search over all
signals partial and saying which source failed; readiness telling within 2 s. And after: recovery without a restart, and
nothing lost that was acknowledged, where the store is durable at its acknowledgement. What Tempo loses is counted.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from observastack.tests import stores
from observastack.tests.backend.serving import Backend, backend, until
from observastack.tests.gateway import running_gateway
from observastack.tests.platform import Tokens, build_platform
from tests.drills.framework import Drill, Result
from tests.faulty import Dependency, postgres, redis, wrapped

SINGLE = {
    "postgres": ("killed", "paused", "slow", "garbage"),
    "redis": ("killed", "paused", "slow", "garbage"),
    "loki": ("killed", "paused", "slow", "error", "garbage"),
    "prometheus": ("killed", "paused", "slow", "error", "garbage"),
    "tempo": ("killed", "paused", "slow", "error", "garbage"),
}
PAIRS = (
    ("postgres-killed", "redis-paused"), ("postgres-paused", "loki-error"), ("redis-killed", "tempo-slow"),
    ("loki-killed", "tempo-killed"), ("loki-paused", "prometheus-paused"), ("loki-slow", "prometheus-error"),
    ("tempo-garbage", "prometheus-killed"), ("postgres-slow", "prometheus-garbage"), ("redis-garbage", "loki-killed"),
    ("tempo-paused", "loki-garbage"),
)  # fmt: skip
SIGNAL_OF = {"loki": "logs", "prometheus": "metrics", "tempo": "traces"}
READY_S = 2.0
BUDGET_S = 8.0
RECOVERY_S = 20.0
FOUND_S = 20.0
"""What was acknowledged is found after that time at the latest; what is not, is lost."""
_INGEST = {200, 400, 401, 403, 408, 413, 415, 422, 429, 503}


def real_stores() -> bool:
    """Whether this machine has all three."""
    return all(_there(name) for name in SIGNAL_OF)


def _there(name: str) -> bool:
    import os

    return bool(shutil.which(name, path=os.environ.get("TESTBED_BIN_DIR")) or shutil.which(name))


def keys(_: int) -> list[str]:
    """On the embedded store its two dependencies; on the real stores all of them, alone and in pairs."""
    embedded = [f"embedded/{name}-{fault}" for name in ("postgres", "redis") for fault in SINGLE[name]]
    if not real_stores():
        return embedded
    single = [f"real/{name}-{fault}" for name, faults in SINGLE.items() for fault in faults]
    return [*embedded, *single, *(f"pair/{one}+{other}" for one, other in PAIRS)]


@dataclass(frozen=True)
class Ask:
    """One request of the platform's API."""

    name: str
    user: str | None
    method: str
    path: str
    body: Any = None
    budget_s: float = BUDGET_S


@dataclass
class Heard:
    """One answer. status: 0 when there was none."""

    ask: Ask
    status: int
    seconds: float
    body: Any
    text: str


@dataclass
class Site:
    """A running platform and its dependencies."""

    dependencies: dict[str, Dependency]
    backend: Backend
    ingest: str
    tokens: Tokens
    declared: dict[tuple[str, str], set[int]]
    trace_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def asks(self) -> list[Ask]:
        window = {"from": str(time.time_ns() - 600 * 10**9), "to": str(time.time_ns() + 10**9)}
        search = {"time_range": window, "limit": 20}
        return [
            Ask("live", None, "GET", "/health/live", budget_s=1.5),
            Ask("login", None, "POST", "/auth/login", {"username": "acme-viewer", "password": "wrong password"}),
            Ask("me", "acme-viewer", "GET", "/auth/me"),
            *(Ask(f"search {kind}", "acme-viewer", "POST", "/search", {**search, "type": kind})
              for kind in ("all", "logs", "metrics", "traces")),
            Ask("aggregate", "acme-viewer", "POST", "/search/aggregate", {"time_range": window, "type": "logs"}),
            Ask("query", "acme-viewer", "POST", "/metrics/query", {"query": "up"}),
            Ask("trace", "acme-viewer", "GET", f"/traces/{self.trace_id}"),
            Ask("alerts", "acme-viewer", "GET", "/alerts"),
            Ask("insights", "acme-viewer", "GET", "/insights/dashboard"),
            Ask("users", "acme-tenant_admin", "GET", "/admin/users"),
        ]  # fmt: skip

    def sign_in(self) -> None:
        """Tokens that last longer than a trial: none is asked for while it is not to be had."""
        self.backend.forget_tokens()
        for user in sorted({one.user for one in self.asks() if one.user}):
            self.backend.token(user)

    def ask_all(self) -> list[Heard]:
        asks = self.asks()
        with ThreadPoolExecutor(len(asks)) as pool:
            return list(pool.map(self.ask, asks))

    def ask(self, one: Ask) -> Heard:
        headers = {} if one.user is None else {"Authorization": f"Bearer {self.backend.token(one.user)}"}
        began = time.monotonic()
        try:
            answer = httpx.request(
                one.method, f"{self.backend.client.base_url}/api/v1{one.path}".replace("//api", "/api"), headers=headers,
                json=one.body, timeout=30, trust_env=False,
            )  # fmt: skip
        except httpx.HTTPError as error:
            return Heard(one, 0, time.monotonic() - began, None, repr(error))
        try:
            body = answer.json()
        except ValueError:
            body = None
        return Heard(one, answer.status_code, time.monotonic() - began, body, answer.text[:300])


class Writer:
    """Writes one record of each signal every 100 ms, each until it is acknowledged; remembers which were."""

    def __init__(self, site: Site) -> None:
        self._site, self._stop = site, threading.Event()
        self.word = f"drill{uuid.uuid4().hex[:10]}"
        self.acknowledged: dict[str, set[str]] = {"logs": set(), "traces": set(), "metrics": set()}
        self.strange: set[str] = set()
        self._threads = [threading.Thread(target=self._write, args=(kind,), daemon=True) for kind in self.acknowledged]

    def __enter__(self) -> Writer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(40)

    def _write(self, kind: str) -> None:
        number, token = 0, self._site.tokens("acme", ("agent",))
        with httpx.Client(timeout=12, trust_env=False) as client:
            while not self._stop.is_set():
                number += 1
                name, key, body = f"{self.word}x{number}x", uuid.uuid4().hex, _otlp(kind, self.word, number)
                while True:
                    try:
                        answer = client.post(
                            f"{self._site.ingest}/v1/{kind}", json=body,
                            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": key},
                        )  # fmt: skip
                        status = answer.status_code
                    except httpx.HTTPError:
                        status = 0
                    if status == 200:
                        self.acknowledged[kind].add(name)
                        break
                    if status not in _INGEST | {0}:
                        self.strange.add(f"ingest of {kind} answered {status}")
                    if self._stop.wait(0.2):
                        return
                self._stop.wait(0.1)


def _otlp(kind: str, word: str, number: int) -> dict[str, Any]:
    now = str(time.time_ns())
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "drill"}}]}
    name = f"{word}x{number}x"
    if kind == "logs":
        record = {"timeUnixNano": now, "severityNumber": 9, "body": {"stringValue": name}}
        return {"resourceLogs": [{"resource": resource, "scopeLogs": [{"logRecords": [record]}]}]}
    if kind == "traces":
        span = {
            "traceId": uuid.uuid4().hex, "spanId": uuid.uuid4().hex[:16], "name": name, "kind": 1,
            "startTimeUnixNano": now, "endTimeUnixNano": str(int(now) + 1000),
        }  # fmt: skip
        return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    point = {"timeUnixNano": now, "asDouble": float(number)}
    metric = {"name": name, "gauge": {"dataPoints": [point]}}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}


@contextlib.contextmanager
def site(*, real: bool) -> Iterator[Site]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="testbed-drill-")))
        found = {one.name: one for one in (stack.enter_context(postgres()), stack.enter_context(redis()))}
        changes: dict[str, Any] = {}
        if real:
            servers = {
                "loki": stores.loki_server, "prometheus": stores.prometheus_server, "tempo": stores.tempo_server,
            }  # fmt: skip
            for name, server in servers.items():
                (folder / name).mkdir()
                found[name] = stack.enter_context(wrapped(stack.enter_context(server(folder / name))))
            urls = {f"{name}_url": f"http://127.0.0.1:{found[name].ports[0]}" for name in servers}
            kinds = {"logs": "loki", "metrics": "prometheus", "traces": "tempo"}
            changes["stores"] = {**kinds, **urls, "tempo_otlp": f"127.0.0.1:{found['tempo'].ports[1]}"}
        database = f"postgresql://postgres@127.0.0.1:{found['postgres'].ports[0]}/postgres"
        config = build_platform(
            folder / "platform", database, f"redis://127.0.0.1:{found['redis'].ports[0]}/0", **changes
        )
        gateway = stack.enter_context(running_gateway(config, folder))
        running = stack.enter_context(backend(config, folder))
        document = running.client.get("/openapi.json").json()
        declared = {
            (method.upper(), path.removeprefix("/api/v1")): {int(status) for status in operation["responses"]}
            for path, operations in document["paths"].items()
            for method, operation in operations.items()
        }
        opened = Site(found, running, gateway.url, Tokens(config), declared)
        yield opened


class Bench:
    """One site of each kind, opened when it is needed first."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._sites: dict[bool, Site] = {}

    def trial(self, key: str, _: random.Random) -> Result:
        case, _slash, what = key.partition("/")
        real = case != "embedded"
        if real not in self._sites:
            self._sites[real] = self._stack.enter_context(site(real=real))
        faults = [tuple(part.rsplit("-", 1)) for part in what.split("+")]
        return _trial(self._sites[real], [(name, fault) for name, fault in faults], real)


def _trial(at: Site, faults: list[tuple[str, str]], real: bool) -> Result:
    result = Result()
    hurt = {name for name, _ in faults}
    at.sign_in()
    if sick := _sick(at.ask_all()):
        return Result([f"before the fault: {one.ask.name} answered {one.status}: {one.text}" for one in sick])
    with Writer(at) as writer:
        until(lambda: all(len(some) >= 3 for some in writer.acknowledged.values()), "writes are acknowledged")
        for name, fault in faults:
            at.dependencies[name].suffer(fault)
        began = time.monotonic()
        try:
            result.wrong += _readiness(at, hurt, began, result)
            for _ in range(2):
                heard = at.ask_all()
                result.wrong += _judge(at, heard, hurt, real)
            result.figures["slowest_s"] = round(max(one.seconds for one in heard), 2)
        finally:
            for name, fault in faults:
                at.dependencies[name].heal(fault)
        result.wrong += _recovery(at, result)
        _settled = {kind: len(some) for kind, some in writer.acknowledged.items()}
        until(
            lambda: all(len(some) > _settled[kind] + 2 for kind, some in writer.acknowledged.items()),
            "writes are acknowledged again", 40,
        )  # fmt: skip
    result.wrong += sorted(writer.strange)
    result.wrong += _audit(at, writer, faults, result, real)
    result.wrong = list(dict.fromkeys(result.wrong))
    return result


def _readiness(at: Site, hurt: set[str], began: float, result: Result) -> list[str]:
    """Within 2 s readiness must be 503 and name what is hurt."""
    while time.monotonic() - began < READY_S + 1.5:
        try:
            answer = httpx.get(
                f"{at.backend.client.base_url}".rstrip("/") + "/api/v1/health/ready", timeout=5, trust_env=False
            )
        except httpx.HTTPError:
            return ["readiness gave no answer"]
        took = time.monotonic() - began
        named = {one["name"] for one in answer.json()["dependencies"] if not one["ready"]}
        if answer.status_code == 503 and hurt <= named:
            result.figures["not_ready_s"] = round(took, 2)
            return [] if took <= READY_S else [f"readiness told only after {took:.2f} s"]
        time.sleep(0.05)
    return [f"readiness does not name {', '.join(sorted(hurt - named))} (status {answer.status_code})"]


def _judge(at: Site, heard: list[Heard], hurt: set[str], real: bool) -> list[str]:
    wrong = []
    for one in heard:
        name, path = one.ask.name, one.ask.path
        template = "/traces/{trace_id}" if name == "trace" else path
        allowed = at.declared[one.ask.method, template]
        if one.status == 0:
            wrong.append(f"{name}: no answer ({one.text})")
        elif one.status not in allowed or one.status == 500:
            wrong.append(f"{name}: undeclared status {one.status}: {one.text}")
        elif one.status >= 400 and not _enveloped(one.body):
            wrong.append(f"{name}: status {one.status} without the envelope: {one.text}")
        if one.seconds > one.ask.budget_s:
            wrong.append(f"{name}: {one.seconds:.1f} s, its budget is {one.ask.budget_s:g} s")
        if name == "live" and one.status != 200:
            wrong.append(f"live: {one.status}")
        if name == "search all" and real and hurt <= set(SIGNAL_OF):
            wrong += _partial(one, {SIGNAL_OF[store] for store in hurt})
    return wrong


def _enveloped(body: Any) -> bool:
    error = body.get("error") if isinstance(body, dict) else None
    return isinstance(error, dict) and {"code", "message", "request_id", "details"} <= set(error)


def _partial(one: Heard, missing: set[str]) -> list[str]:
    if one.status != 200:
        return [f"search all: {one.status}, though {3 - len(missing)} sources answer"] if len(missing) < 3 else []
    wrong = []
    if not one.body["partial"]:
        wrong.append("search all: not partial, though a source is away")
    for name, source in one.body["stats"]["sources"].items():
        if (source["status"] in ("error", "timeout")) != (name in missing):
            wrong.append(f"search all: source {name} is said to be {source['status']}: {source.get('reason')}")
    return wrong


def _all_answer(one: Heard) -> bool:
    sources = one.body["stats"]["sources"] if one.status == 200 else {}
    return bool(sources) and all(source["status"] in ("ok", "partial") for source in sources.values())


def _sick(heard: list[Heard]) -> list[Heard]:
    """Those that did not answer as they do when nothing is hurt: a login with a wrong password is refused as such."""
    return [one for one in heard if one.status not in ((401,) if one.ask.name == "login" else (200, 404))]


def _recovery(at: Site, result: Result) -> list[str]:
    """All as before, without a restart."""
    began = time.monotonic()
    while time.monotonic() - began < RECOVERY_S:
        heard = at.ask_all()
        sick = _sick(heard)
        # A budget that ends is no fault ("partial"); a source that does not answer is one.
        sick += [one for one in heard if one.ask.name == "search all" and not _all_answer(one)]
        ready = httpx.get(
            f"{at.backend.client.base_url}".rstrip("/") + "/api/v1/health/ready", timeout=5, trust_env=False
        )
        if not sick and ready.status_code == 200:
            result.figures["recovered_s"] = round(time.monotonic() - began, 2)
            return []
        time.sleep(0.2)
    return [f"after the fault: {one.ask.name} answers {one.status}: {one.text}" for one in sick] or ["not ready again"]


def _audit(at: Site, writer: Writer, faults: list[tuple[str, str]], result: Result, real: bool) -> list[str]:
    """Every acknowledged item can be read back; Tempo's newest on kill -9 are counted instead."""
    wrong = []
    for kind, acknowledged in writer.acknowledged.items():
        missing, began = set(acknowledged), time.monotonic()
        while missing and time.monotonic() - began < FOUND_S:
            missing -= _stored(at, kind, writer.word)
            time.sleep(0.25 if missing else 0)
        result.figures[f"acked_{kind}"] = len(acknowledged)
        if not missing:
            continue
        result.figures[f"lost_{kind}"] = len(missing)
        if not (kind == "traces" and real and ("tempo", "killed") in faults):
            wrong.append(f"{len(missing)} of {len(acknowledged)} acknowledged items of {kind} are lost")
    return wrong


def _stored(at: Site, kind: str, word: str) -> set[str]:
    window = {"from": str(time.time_ns() - 900 * 10**9), "to": str(time.time_ns() + 10**9)}
    lines = at.backend.export("acme-analyst", {"type": kind, "free_text": word, "time_range": window})
    where = "body" if kind == "logs" else "name"
    return {line["content"][where] for line in lines if "content" in line}


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    with contextlib.ExitStack() as stack:
        yield Bench(stack)


DRILL = Drill("dependencies", "each dependency hurt in each way, alone and in pairs", 1, keys, bench)
