"""A suite for tests: behaves as its stage's parameters say. Run as `python -m fake_suite` with this folder on PYTHONPATH.

params: steady (say so), seconds (how long it works), rate (events a second), outcome (passed failed invalid), tests
(announced), skip (announced, not reported), exit (exit code instead of the honest one), stubborn (ignores SIGTERM and
leaves a grandchild in its own session that holds the event pipe), silent (never says run.finished), crash (SIGKILLs
itself), fail_times (first attempts of this stage fail), copies (a file that gets a line a start).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from runners.events import EVENTS_FD
from runners.suite import Context, Verdict, run_suite

HOLD_THE_PIPE = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"


def work(context: Context) -> Verdict:
    params = context.params
    tests = list(params.get("tests", ["t1"]))
    if path := params.get("copies"):
        with Path(path).open("a") as file:
            file.write(f"{context.stage} {context.run} {os.getpid()}\n")
    if params.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(
            [sys.executable, "-S", "-E", "-c", HOLD_THE_PIPE],
            pass_fds=[int(os.environ[EVENTS_FD])],
            start_new_session=True,
        )
    context.events.emit("run.started", plan=tests)
    if params.get("steady", True):
        context.steady()
    context.on("set", lambda args: context.log("set", **args))
    end = time.monotonic() + float(params.get("seconds", 0))
    pause = 1 / float(params.get("rate", 10))
    number = 0
    while time.monotonic() < end and (params.get("stubborn") or not context.stop.is_set()):
        context.events.points([{"series": "n", "t": [time.time()], "v": [number]}])
        number += 1
        time.sleep(pause)
    print("a plain line", flush=True)
    if params.get("crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    if params.get("silent"):
        context.events.close()
        os._exit(0)
    outcome: Verdict = params.get("outcome", "passed")
    if times := params.get("fail_times"):
        counter = Path(params["counter"])
        made = int(counter.read_text()) if counter.exists() else 0
        counter.write_text(str(made + 1))
        outcome = "failed" if made < times else "passed"
    for test in tests:
        if test not in params.get("skip", []):
            context.events.emit("test.finished", id=test, outcome=outcome, attempt=1, duration_ms=1)
    if of := params.get("of"):
        text = (Path(of["folder"]) / "events.jsonl").read_text().splitlines()
        context.events.emit("ledger", kind="audit", seen=sum('"metric.points"' in line for line in text))
    (context.folder / "params.json").write_text(json.dumps(params))
    return outcome


if __name__ == "__main__":
    code = run_suite({"work": work})
    sys.exit(
        int(json.loads((Path(os.environ["TESTBED_RUN_DIR"]) / "spec.json").read_text())["params"].get("exit", code))
    )
