"""The action `run` of the suite `e2e`: journeys through the API side by side, journeys through the pages one by one."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from runners.e2e.browser.stage import Stage, stage
from runners.e2e.journey import Absent, Broken, Journey, Unassessed, chosen, journeys
from runners.e2e.scene import Scene
from runners.lib.errors import NotReady, TestbedError
from runners.suite import Context, Verdict
from runners.target import Target, open_target

if TYPE_CHECKING:
    from playwright.sync_api import Page

WORKERS = 4
Outcome = Literal["passed", "failed", "skipped", "invalid"]
PARAMETERS = ("only", "kind", "workers")


def run(context: Context) -> Verdict:
    """Raises NotReady and UsageError before anything is done. Nothing is retried: what fails once has failed."""
    params = context.params
    if unknown := sorted(set(params) - {*PARAMETERS, "duration_s"}):
        raise NotReady(f"an e2e stage has no parameter '{unknown[0]}'", remedy=f"valid: {', '.join(PARAMETERS)}")
    only = params.get("only") or ()
    wanted = chosen(journeys(), only=[only] if isinstance(only, str) else only, kind=params.get("kind"))
    with open_target(context.environment) as target:
        if not target.tenants:
            raise NotReady(f"target {target.name} has no tenants", remedy=f"name them in {target.identities.path}")
        return Tour(context, target, wanted).go(int(params.get("workers") or WORKERS))


class Tour:
    """One run of journeys over a target."""

    def __init__(self, context: Context, target: Target, wanted: Sequence[Journey]) -> None:
        self._context, self._target, self._wanted = context, target, wanted
        self._outcomes: dict[str, tuple[Outcome, str]] = {}

    def go(self, workers: int) -> Verdict:
        self._context.events.emit("run.started", plan=[one.id for one in self._wanted], target=self._target.name)
        self._context.steady()
        paged = [one for one in self._wanted if one.kind == "browser"]
        with ThreadPoolExecutor(workers) as pool:
            waiting = [
                pool.submit(self._take, place, one, one.act)
                for place, one in enumerate(self._wanted) if one.kind == "api"
            ]  # fmt: skip
            if paged:
                self._through_pages(paged)
            for future in waiting:
                future.result()
        return self._verdict()

    def _through_pages(self, paged: Sequence[Journey]) -> None:
        """In this thread alone: a browser's handles belong to one."""
        try:
            with stage(self._target) as opened:
                for place, one in enumerate(paged):
                    self._take(place, one, partial(self._show, opened, one))
        except Absent as reason:
            self._tell_rest(paged, "skipped", f"not applicable: {reason}")
        except Unassessed as reason:
            self._tell_rest(paged, "invalid", f"not assessed: {reason}")

    def _tell_rest(self, paged: Sequence[Journey], outcome: Outcome, message: str) -> None:
        for one in paged:
            if one.id not in self._outcomes:
                self._tell(one, outcome, message, 0.0)

    def _show(self, opened: Stage, one: Journey, scene: Scene) -> None:
        """A browser that was ended or died says nothing about the pages."""
        try:
            with opened.page() as page:
                try:
                    one.act(scene, page)
                except (Absent, Unassessed):
                    raise
                except Exception:
                    if opened.alive:
                        self._keep(opened, page, one)
                    raise
        except (Absent, Broken, Unassessed):
            raise
        except Exception as error:
            if self._context.stop.is_set():
                raise Unassessed("the run was stopped meanwhile") from error
            if not opened.alive:
                raise Unassessed("the browser died") from error
            raise

    def _keep(self, opened: Stage, page: Page, one: Journey) -> None:
        kept = set()
        for path, kind in opened.keep(page, one.id, self._context.artifacts):
            self._artifact(path, kind)
            kept.add(kind)
        if missing := {"screenshot", "browser_trace"} - kept:
            self._context.log(f"could not be kept: {', '.join(sorted(missing))}", level="warn", test=one.id)

    def _take(self, place: int, one: Journey, act: Callable[[Scene], None]) -> None:
        if self._context.stop.is_set():
            return  # planned and not reported is "not run"
        self._context.events.emit("test.started", id=one.id)
        tenants = self._target.tenants
        other = tenants[(place + 1) % len(tenants)] if len(tenants) > 1 else None
        scene = Scene(self._target, self._context.environment, tenants[place % len(tenants)], other)
        began = time.monotonic()
        outcome, message = self._try(one, scene, act)
        self._tell(one, outcome, message, time.monotonic() - began)

    def _try(self, one: Journey, scene: Scene, act: Callable[[Scene], None]) -> tuple[Outcome, str]:
        if missing := [name for name in one.needs if self._target.operation(name) is None]:
            return "skipped", f"not applicable: target {self._target.name} has no capability {', '.join(missing)}"
        try:
            act(scene)
        except Absent as reason:
            return "skipped", f"not applicable: {reason}"
        except Broken as reason:
            return "failed", str(reason)
        except (Unassessed, TestbedError) as reason:
            return "invalid", f"not assessed: {reason}"
        except Exception as error:
            if one.kind == "browser" and type(error).__module__.startswith("playwright"):
                return "failed", "the page did not show what it should: " + str(error).strip().splitlines()[0]
            self._context.log(traceback.format_exc(), level="error", test=one.id)
            # An answer of another shape than the journey reads: the journey cannot say what that means.
            return "invalid", f"not assessed: {type(error).__name__}: {error}"
        return "passed", one.what

    def _tell(self, one: Journey, outcome: Outcome, message: str, seconds: float) -> None:
        self._outcomes[one.id] = (outcome, message)
        self._context.events.emit(
            "test.finished", id=one.id, outcome=outcome, attempt=1, duration_ms=round(seconds * 1000), message=message
        )
        if outcome == "failed" and one.area == "isolation":
            self._context.events.emit(
                "finding",
                kind="tenant_leak",
                severity="critical",
                title=message,
                fingerprint=f"e2e:{one.id}",
                test=one.id,
            )

    def _artifact(self, path: Path, kind: str) -> None:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        self._context.events.emit("artifact", path=f"artifacts/{path.name}", sha256=digest, kind=kind)

    def _verdict(self) -> Verdict:
        """failed if any failed; else invalid if any could not be assessed or none passed; else passed."""
        found: dict[str, list[Any]] = {}
        for id_, (outcome, message) in self._outcomes.items():
            found.setdefault(outcome, []).append(f"{id_}: {message}")
        for outcome in ("failed", "invalid"):
            if outcome in found:
                more = f" and {len(found[outcome]) - 3} more" if len(found[outcome]) > 3 else ""
                self._context.reason = "; ".join(found[outcome][:3]) + more
                return outcome  # type: ignore[return-value]  # both are verdicts
        if "passed" not in found:
            self._context.reason = "no journey is applicable to this target"
            return "invalid"
        if skipped := len(found.get("skipped", [])):
            self._context.reason = f"{len(found['passed'])} journeys passed, {skipped} are not applicable here"
        return "passed"
