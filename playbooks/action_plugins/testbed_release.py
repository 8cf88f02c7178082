"""Record what an environment was made from, or choose a record to make it from again; inside the controller."""

from __future__ import annotations

from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """`environment`: its folder; `state`: recorded (with `inventory`) or chosen (with `release`, 0 for the last good one).

    chosen returns `release`, `folder` (of the copy of its inventory) and `wanted` (the settings of `testbed up`).
    """

    _requires_connection = False
    _VALID_ARGS = frozenset(("environment", "state", "inventory", "release"))

    def run(self, tmp=None, task_vars=None):
        from runners.environment import releases
        from runners.lib.errors import NotReady
        from runners.lib.home import Environment

        result = super().run(tmp, task_vars)
        given = self._task.args
        environment = Environment(Path(given["environment"]))
        if given["state"] == "recorded":
            number, changed = releases.record(environment, Path(given["inventory"]), dry=self._task.check_mode)
            return {**result, "changed": changed, "release": number}
        try:
            chosen = releases.choose(environment, int(given.get("release", 0)))
        except NotReady as error:
            raise AnsibleActionFail(str(error)) from error
        return {
            **result, "changed": False, "release": chosen.number, "folder": str(chosen.inventory), "wanted": chosen.wanted,
        }  # fmt: skip
