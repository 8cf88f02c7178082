"""Provisioning twice and in check mode: what is as it should be is left alone, and few modules run."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

from runners.config import lookup
from tests.drills.environment.moments import Share, Watched
from tests.drills.environment.traces import Traces
from tests.drills.framework import Result, finally_do
from tests.drills.testbed import Testbed

COLD_MODULES = 10  # and one for each service that is started
WARM_MODULES = 12
RECAP = re.compile(r"changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")


def twice(_: Share, __: random.Random) -> Result:
    """Cold, warm, and the plain playbook in check mode on what runs."""
    testbed = Testbed()
    with finally_do(testbed.close):
        result, traces = Result(), Traces(testbed.environment)
        changed: dict[str, int] = {}
        for name in ("cold", "warm"):
            with Watched(testbed, "up") as watched:
                code, said = watched.end()
            if code:
                return Result([f"{name} up: exit {code}: {said[-600:]}"])
            end = watched.events[-1]
            changed[name] = int(end.get("changed", -1))
            result.figures[f"{name}_s"] = end.get("seconds")
            result.figures[f"{name}_modules"] = end.get("modules")
        traces.look()
        services = [item for item in testbed.status()["services"] if item["state"] != "absent"]
        result.figures |= {"services": len(services), "changed_again": changed["warm"]}
        if changed["warm"]:
            result.wrong.append(f"the second provision changed {changed['warm']} tasks")
        for name, budget in (("cold", COLD_MODULES + len(services)), ("warm", WARM_MODULES)):
            count = result.figures[f"{name}_modules"]
            if count is None or count > budget:
                result.wrong.append(f"{name}: {count} module executions, {budget} are allowed")
        result.wrong += _checked(testbed, result, "provision")
        result.wrong += _checked(testbed, result, "verify")
        if testbed.status()["state"] != "ready":
            result.wrong.append("check mode disturbed the environment")
        result.wrong += _checked(testbed, result, "teardown", may_change=True)
        if testbed.status()["state"] != "ready":
            result.wrong.append("a teardown in check mode took something down")
        result.wrong += testbed.down() + traces.left()
        again = testbed.command("down")
        if again.returncode:
            result.wrong.append(f"down of nothing: exit {again.returncode}: {again.stderr[-200:]}")
        return result


def _checked(testbed: Testbed, result: Result, playbook: str, *, may_change: bool = False) -> list[str]:
    """The playbook itself, by ansible-playbook alone, in check mode."""
    books = lookup.playbooks()
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"), "--check", "--diff",
            "-i", str(lookup.PROJECT / "inventories/local"), "-e", f"testbed_environment={testbed.environment.root}",
            str(books / f"{playbook}.yml"),
        ],
        capture_output=True, text=True, check=False, timeout=180, cwd=testbed.root,
        env=testbed.environ({}) | {"ANSIBLE_CONFIG": str(books / "ansible.cfg"), "ANSIBLE_HOME": str(testbed.home.cache / "ansible")},
    )  # fmt: skip
    found = RECAP.search(done.stdout)
    if done.returncode or found is None:
        said = [line for line in done.stdout.splitlines() if "fatal" in line or "ERROR" in line] or [done.stderr[-600:]]
        return [f"{playbook} --check: exit {done.returncode}: {' '.join(said)[:800]}"]
    result.figures[f"{playbook}_check_changed"] = int(found[1])
    return [f"{playbook} --check would change {found[1]}"] if int(found[1]) and not may_change else []


CASES = {"twice": twice}
