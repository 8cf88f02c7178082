"""Known defects of the platform are switched on, and the campaign must find them; switched off, it must pass."""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from runners.events import Event
from runners.lib.home import Home
from runners.orchestrator.service import find_run
from runners.orchestrator.spec import CampaignSpec, load_spec
from runners.target import open_target
from tests.drills.framework import Drill, Result, finally_do
from tests.drills.testbed import Testbed
from tests.integration.orchestrator.harness import events_of

DEFECTS = ("drop_acked_1pct", "dup_on_retry", "list_leak", "health_lies")
SMOKES = 5
AGREE_S = 0.5


def keys(rounds: int) -> list[str]:
    """Each defect so often; then five smokes without any."""
    found = [f"{defect}/{number}" for defect in DEFECTS for number in range(1, rounds + 1)]
    return found + [f"none/{number}" for number in range(1, SMOKES * rounds + 1)] + ["none/down"]


@contextmanager
def bench() -> Iterator[Defects]:
    opened = Defects(Testbed())
    with finally_do(opened.testbed.close):
        yield opened


class Defects:
    """One environment, whose platform is restarted with other switches."""

    def __init__(self, testbed: Testbed) -> None:
        self.testbed = testbed

    @property
    def home(self) -> Home:
        return self.testbed.home

    def trial(self, key: str, _: random.Random) -> Result:
        defect, _slash, number = key.partition("/")
        if number == "down":
            return Result(self.testbed.down())
        if defect == "none":
            return self._smoke()
        self.testbed.ready("--set", f"defects={defect}")
        check: dict[str, Callable[[], Result]] = {
            "drop_acked_1pct": self._drop, "dup_on_retry": self._duplicate, "list_leak": self._leak,
            "health_lies": self._lies,
        }  # fmt: skip
        return check[defect]()

    def _campaign(self, name: str, want: int) -> tuple[CampaignSpec, Result]:
        """Run it; a wrong exit code is the first thing that may not hold."""
        done = self.testbed.command("--json", "run", name, timeout=300)
        spec = load_spec(self.home.run(find_run(self.home, "last")))
        result = Result()
        end = events_of(self.home, spec.id)[-1]
        result.figures |= {"exit": done.returncode, "verdict": end.get("verdict")}
        if done.returncode != want:
            result.wrong.append(f"exit {done.returncode}, not {want}: {end.get('reason')} {done.stderr[-300:]}")
        return spec, result

    def _audit(self, spec: CampaignSpec, result: Result) -> dict[str, dict[str, int]]:
        events = events_of(self.home, spec.stage("audit").runs[0])
        document = next((event["document"] for event in events if event["type"] == "ledger"), None)
        if document is None:
            result.wrong.append("no audit")
            return {}
        signals: dict[str, dict[str, int]] = document["signals"]
        for word in ("acked", "lost", "duplicated", "duplicated_by_retry", "leaked"):
            result.figures[word] = sum(item[word] for item in signals.values())
        return signals

    def _drop(self) -> Result:
        """Lost equals, item for item, what the service's own log says it dropped."""
        log = self.testbed.environment.logs / "ingest.log"
        before = log.stat().st_size
        spec, result = self._campaign("drill", 1)
        signals = self._audit(spec, result)
        dropped: set[str] = set()
        with log.open("rb") as file:
            file.seek(before)
            for line in file:
                if b'"defect.dropped"' in line:
                    said = json.loads(line[line.index(b"{") :])
                    dropped.add(_item(said["signal"], said["tenant"], said["key"]))
        path = self.home.run(spec.stage("audit").runs[0]) / "artifacts" / "lost.ndjson"
        lost = {
            _item(item["signal"], item["tenant"], item["key"])
            for item in map(json.loads, path.read_text().splitlines())
            if item["wrong"] == "lost"
        }
        result.figures |= {"said_dropped": len(dropped)}
        if not lost:
            result.wrong.append("nothing is reported as lost")
        if unsaid := lost - dropped:
            result.wrong.append(f"{len(unsaid)} lost items were not dropped, such as {next(iter(unsaid))}")
        if missed := self._acknowledged(dropped - lost):
            result.wrong.append(f"{len(missed)} dropped items are not reported, such as {next(iter(missed))}")
        if sum(item["lost"] for item in signals.values()) != len(lost):
            result.wrong.append("the number of lost items is not that of the lines of lost.ndjson")
        return result

    def _acknowledged(self, items: set[str]) -> set[str]:
        """Without what the probe wrote: that is nobody's telemetry."""
        return {item for item in items if "probe" not in item}

    def _duplicate(self) -> Result:
        spec, result = self._campaign("drill", 1)
        signals = self._audit(spec, result)
        if not any(item["duplicated"] for item in signals.values()):
            result.wrong.append("nothing is reported as duplicated")
        if any(item["duplicated_by_retry"] for item in signals.values()):
            result.wrong.append("the platform promised idempotency: duplicates must not be blamed on retries")
        if any(item["lost"] or item["leaked"] for item in signals.values()):
            result.wrong.append("something is reported as lost or leaked")
        return result

    def _leak(self) -> Result:
        spec, result = self._campaign("drill", 1)
        signals = self._audit(spec, result)
        if not any(item["leaked"] for item in signals.values()):
            result.wrong.append("the audit reports nothing as leaked")
        tests = [
            event for event in events_of(self.home, spec.stage("users").runs[0]) if event["type"] == "test.finished"
        ]
        named = sorted(str(event["id"]) for event in tests if event["outcome"] == "failed")
        result.figures["named"] = named
        if not any("search" in name for name in named):
            result.wrong.append(f"the load stage does not name the operation that leaks: {named}")
        return result

    def _lies(self) -> Result:
        """A readiness that always says ready does not shorten the recovery that is reported."""
        with _Writes(self.testbed) as writes:
            spec, result = self._campaign("drill", 0)
        recovery = next(
            (event for event in events_of(self.home, spec.stage("crash").runs[0]) if event["type"] == "recovery"), None
        )
        if recovery is None or recovery.get("recovered_at") is None:
            result.wrong.append("no recovery is reported")
            return result
        own = writes.recovered_at(_injected_at(events_of(self.home, spec.stage("crash").runs[0])))
        if own is None:
            result.wrong.append("the drill's own writes saw no interruption")
            return result
        result.figures |= {
            "reported_s": recovery["time_to_recover_s"],
            "off_by_s": round(recovery["recovered_at"] - own, 3),
        }
        if abs(recovery["recovered_at"] - own) > AGREE_S:
            result.wrong.append(
                f"the reported recovery is {recovery['recovered_at'] - own:+.2f} s off the drill's own writes"
            )
        return result

    def _smoke(self) -> Result:
        self.testbed.ready("--set", "defects=")
        spec, result = self._campaign("smoke", 0)
        signals = self._audit(spec, result)
        for signal, least in (("logs", 20_000), ("traces", 20_000), ("metrics", 50_000)):
            if signals.get(signal, {}).get("sent", 0) < least:
                result.wrong.append(f"only {signals.get(signal, {}).get('sent')} items of {signal}")
        events = events_of(self.home, spec.id)
        result.figures["took_s"] = round(events[-1]["ts"] - events[0]["ts"], 1)
        if result.figures["took_s"] > 90:
            result.wrong.append(f"it took {result.figures['took_s']} s")
        return result


def _item(signal: str, tenant: str, key: dict[str, Any]) -> str:
    return json.dumps(
        [signal, tenant, {name: str(value) if name.endswith("nano") else value for name, value in key.items()}],
        sort_keys=True,
    )


def _injected_at(events: list[Event]) -> float:
    return float(next(event["injected_at"] for event in events if event["type"] == "fault.injected"))


class _Writes:
    """A writer of its own, every 50 ms, that shares no code with the product's probe."""

    def __init__(self, testbed: Testbed) -> None:
        self._target = open_target(testbed.environment)
        self._attempts: list[tuple[float, float, bool]] = []
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._pacer = threading.Thread(target=self._pace, daemon=True)

    def __enter__(self) -> _Writes:
        self._pacer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pacer.join()
        for thread in self._threads:
            thread.join(10)

    def _pace(self) -> None:
        while not self._stop.wait(0.05):
            thread = threading.Thread(target=self._write, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _write(self) -> None:
        begin = time.time()
        record = {"timeUnixNano": str(time.time_ns()), "severityNumber": 9, "body": {"stringValue": "drill probe"}}
        document = {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [{"logRecords": [record]}]}]}
        try:
            identity = self._target.identity(self._target.tenants[0], "agent")
            request = urllib.request.Request(
                str(self._target.urls["ingest"]) + "/v1/logs", json.dumps(document).encode(),
                {"Content-Type": "application/json", "Authorization": f"Bearer {self._target.tokens.bearer(identity)}"},
            )  # fmt: skip
            with urllib.request.urlopen(request, timeout=5) as answer:
                good = answer.status == 200
        except Exception:  # whatever it was: this write was not acknowledged
            good = False
        self._attempts.append((begin, time.time(), good))

    def recovered_at(self, injected_at: float) -> float | None:
        """When writes were acknowledged again after the fault; None when none was refused or late."""
        later = sorted(item for item in self._attempts if item[1] >= injected_at)
        hurt = [item for item in later if not item[2] or item[1] - item[0] > AGREE_S]
        if not hurt:
            return None
        # The last write that was refused begins before the service is back; the next answer is the recovery.
        refused = [begin for begin, _, good in later if not good]
        since = max(refused) if refused else hurt[0][0]
        return min((end for _, end, good in later if good and end > since), default=None)


DRILL = Drill("defects", "switched-on defects are found item for item; without them smoke passes", 1, keys, bench)
