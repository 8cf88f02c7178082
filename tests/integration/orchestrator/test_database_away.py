"""A results database that is away keeps nobody from the environment."""

from __future__ import annotations

import signal

from runners.lib import locks
from runners.lib.home import Home
from runners.orchestrator import lease, service
from runners.orchestrator.reconcile import reconcile
from runners.orchestrator.starting import signal_coordinator
from tests.integration.orchestrator.harness import campaign, events_of, stage, wait_for

NOBODY = "postgresql+psycopg2://x@127.0.0.1:1/none"


def end_coordinator(home: Home, run: str) -> None:
    folder = home.run(run)

    def ended() -> bool:
        signal_coordinator(folder, signal.SIGKILL)  # again and again: a new one writes down who it is after a moment
        return not locks.held(folder / "coord.lock")

    wait_for(ended, 5, "the end of the coordinator")


def test_a_finished_run_that_cannot_be_stored_holds_no_lease(home: Home) -> None:
    spec = campaign(stage("telemetry", params={"seconds": 0.2, "rate": 20}))
    service.launch(home, spec, results_url=NOBODY)
    folder, environment = home.run(spec.id), home.env("local")
    wait_for(lambda: any(event["type"] == "run.finished" for event in events_of(home, spec.id)), 20, "the verdict")
    wait_for(lambda: lease.holder(environment) is None, 5, "the end of the lease")
    assert locks.held(folder / "coord.lock"), "it still tries to reach the database"
    service.check_lease(home, "local")
    end_coordinator(home, spec.id)
    assert (home.live / spec.id).exists(), "what is not stored is not forgotten"
    assert reconcile(home) == [spec.id]
    wait_for(lambda: locks.held(folder / "coord.lock"), 5, "the successor")
    try:
        service.check_lease(home, "local")
        wait_for(lambda: "cannot be reached" in (folder / "coord.log").read_text(), 10, "the successor at work")
        assert lease.holder(environment) is None
        service.check_lease(home, "local")
    finally:
        end_coordinator(home, spec.id)
