"""What chaoslib tells while it runs, kept for the verdict and passed on as events."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from chaoslib.run import RunEventHandler

from runners.chaos.interrupt import Interrupt
from runners.chaos.progress import Tests
from runners.suite import Context

State = dict[str, Any] | None


class Handler(RunEventHandler):  # type: ignore[misc]  # chaoslib has no types
    """before, after: was the hypothesis met (None: not asked); played: did the method run to its end; failed: names of
    activities of the method that did not succeed."""

    def __init__(
        self, context: Context, interrupt: Interrupt, tests: Tests, *, plain: bool, after: Callable[[], None]
    ) -> None:
        self._context, self._interrupt, self._tests, self._plain, self._after = context, interrupt, tests, plain, after
        self.before: bool | None = None
        self.after: bool | None = None
        self.played = False
        self.failed: list[str] = []

    def started(self, experiment: State, journal: State) -> None:  # noqa: ARG002
        self._interrupt.install()

    def start_hypothesis_before(self, experiment: State) -> None:  # noqa: ARG002
        self._tests.begin("steady-state-before")

    def hypothesis_before_completed(self, experiment: State, state: State, journal: State) -> None:  # noqa: ARG002
        self.before = _met(state)
        self._tests.end("steady-state-before")
        self._note("before", state)

    def continuous_hypothesis_iteration(self, iteration_index: int, state: State) -> None:
        if iteration_index == 1:
            self._context.events.emit(
                "metric.declare", name="chaos.steady", unit="bool", kind="gauge", labels={"phase": "during"}
            )
        self._context.events.points(
            [{"series": "chaos.steady{phase=during}", "t": [time.time()], "v": [int(_met(state) is True)]}]
        )

    def start_method(self, experiment: State) -> None:  # noqa: ARG002
        if self._plain:
            self._tests.begin("method")

    def method_completed(self, experiment: State, state: Any = None) -> None:  # noqa: ARG002
        self.played = state is not None
        self._tests.end("method")
        runs = state if isinstance(state, list) else []
        self.failed = [run["activity"]["name"] for run in runs if run.get("status") != "succeeded"]

    def start_hypothesis_after(self, experiment: State) -> None:  # noqa: ARG002
        self._tests.begin("steady-state-after")
        self._after()

    def hypothesis_after_completed(self, experiment: State, state: State, journal: State) -> None:  # noqa: ARG002
        self.after = _met(state)
        self._tests.end("steady-state-after")
        self._note("after", state)

    def _note(self, phase: str, state: State) -> None:
        if _met(state) is False and state is not None:
            last = state["probes"][-1]
            self._context.log(
                f"steady state {phase}: probe '{last['activity']['name']}' said {last.get('output')!r}", level="warn"
            )


def _met(state: State) -> bool | None:
    return None if state is None else state.get("steady_state_met") is True
