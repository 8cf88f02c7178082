"""Locust as a library: environment, local runner, shape, and one line of metrics a second.

gevent patches this process here, but not its threads: the event writer and the control reader stay real ones, so that
a slow reader of the events, or a quiet control pipe, never stops a user.
"""

from __future__ import annotations

import logging
import os
import time
from typing import Any

from gevent import monkey

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
monkey.patch_all(thread=False)

import gevent  # noqa: E402
from locust import LoadTestShape  # noqa: E402
from locust.env import Environment  # noqa: E402
from locust.runners import STATE_RUNNING  # noqa: E402

from runners.events import series_key  # noqa: E402
from runners.load.scoreboard import latency_points  # noqa: E402
from runners.load.users import Plan, user_class  # noqa: E402
from runners.suite import Context  # noqa: E402

LOOK_S = 0.05
FINISH_S = 2.5
"""How long users may finish the request they wait for; below the 3 s in which a stage must have stopped."""
RATE_SPAN_S = 0.5
"""No rate is told of a shorter time: the last, cut second would show a peak or a hole that was not there."""

_GAUGES = {"load.users": "users", "load.rate": "/s", "load.target_rate": "/s", "load.cpu": "cores"}


def _is_news(record: logging.LogRecord) -> bool:
    """Locust complains of a user that ended by itself in the moment of stopping; its own source calls that harmless."""
    return "didn't have proper args" not in str(record.msg)


logging.getLogger("locust.runners").addFilter(_is_news)


class Engine:
    """One run of users against a target."""

    def __init__(self, context: Context, plan: Plan) -> None:
        self._context, self._plan = context, plan
        self._declared: set[str] = set()
        self._second = time.monotonic()
        self._cpu = time.process_time()
        self._steady: tuple[float, float] | None = None
        self._cpu_share: float | None = None

    @property
    def cpu_share(self) -> float | None:
        """Share of a core this process used while all users ran; None when they never did."""
        return self._cpu_share

    def run(self, duration_s: float | None) -> None:
        """Spawn the users, let them work until the order to stop or `duration_s` after all ran, stop them in order."""
        pace = self._plan.pace

        class Shape(LoadTestShape):
            """As many users as the pace says, now."""

            def tick(self) -> tuple[int, float]:
                return pace.users, pace.spawn_rate

        shape = Shape()  # type: ignore[no-untyped-call]  # locust does not type its constructors
        environment = Environment(user_classes=[user_class(self._plan)], shape_class=shape, stop_timeout=FINISH_S)
        environment.events.user_error.add_listener(self._fault)  # type: ignore[no-untyped-call]  # nor its hooks
        runner = environment.create_local_runner()
        self._declare_all()
        runner.start_shape()
        try:
            self._watch(runner, duration_s)
        finally:
            self._mark_end()
            self._plan.stopping = True
            runner.quit()
            self._second_passed(0)

    def _watch(self, runner: Any, duration_s: float | None) -> None:
        due = time.monotonic() + 1
        end = None
        while not self._context.stop.is_set() and (end is None or time.monotonic() < end):
            gevent.sleep(LOOK_S)
            if self._steady is None and runner.state == STATE_RUNNING and self._plan.board.requests:
                self._steady = (time.monotonic(), time.process_time())
                self._context.steady()
                end = None if duration_s is None else time.monotonic() + duration_s
            if time.monotonic() >= due:
                self._second_passed(runner.user_count)
                due = max(due + 1, time.monotonic() + 0.5)  # a second that was missed is not made up for

    def _second_passed(self, users: int) -> None:
        """One line: what happened since the last."""
        now, cpu = time.monotonic(), time.process_time()
        span = max(now - self._second, 1e-3)
        latencies = self._plan.board.take_second()
        count = sum(histogram.count for histogram in latencies.values())
        errors = sum(histogram.errors for histogram in latencies.values())
        stamp = round(time.time(), 3)
        for operation, tenant in latencies:
            self._declare(operation, "s", "histogram", {"tenant": tenant})
        values: dict[str, float] = {
            "load.users": users, "load.target_rate": round(self._plan.pace.target_rate, 2), "load.errors": errors,
        }  # fmt: skip
        if span >= RATE_SPAN_S:
            values |= {"load.rate": round(count / span, 2), "load.cpu": round((cpu - self._cpu) / span, 4)}
        points = [{"series": name, "t": [stamp], "v": [value]} for name, value in values.items()]
        self._context.events.points([*points, *latency_points(latencies, stamp)])
        self._second, self._cpu = now, cpu

    def _mark_end(self) -> None:
        if self._steady is not None:
            wall, cpu = self._steady
            self._cpu_share = (time.process_time() - cpu) / max(time.monotonic() - wall, 1e-3)

    def _declare_all(self) -> None:
        for name, unit in _GAUGES.items():
            self._declare(name, unit, "gauge", {})
        self._declare("load.errors", "errors", "counter", {})

    def _declare(self, name: str, unit: str, kind: str, labels: dict[str, str]) -> None:
        if (key := series_key(name, labels)) not in self._declared:
            self._declared.add(key)
            self._context.events.emit("metric.declare", name=name, unit=unit, kind=kind, labels=labels)

    def _fault(self, exception: BaseException, tb: Any, **_: Any) -> None:
        """A user broke: an error of the generator, never one of the target."""
        board = self._plan.board
        text = f"{type(exception).__name__}: {exception}"
        if text not in board.faults:
            place = tb
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = "" if place is None else f" ({place.tb_frame.f_code.co_name}, line {place.tb_lineno})"
            self._context.log(f"a user failed: {text}{where}", level="error")
        board.faults.append(text)
