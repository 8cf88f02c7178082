"""Bring the testbed's wheels to a host: built here once, copied when the host has others."""

from __future__ import annotations

import base64
from pathlib import Path

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """`home`: on the host; `source`: build, or a folder of wheels here; `cache`: where built wheels are kept here."""

    _VALID_ARGS = frozenset(("home", "source", "cache"))

    def run(self, tmp=None, task_vars=None):
        from runners.config.lookup import PROJECT
        from runners.environment.remote import wheels
        from runners.lib.errors import NotReady

        result = super().run(tmp, task_vars)
        given = self._task.args
        try:
            found = wheels.gather(given["source"], PROJECT, Path(given["cache"]))
        except NotReady as error:
            raise AnsibleActionFail(str(error)) from None
        arguments = {"folder": f"{given['home']}/wheels", "wheels": {path.name: wheels.digest(path) for path in found}}
        done = self._execute_module(module_name="testbed_wheels", module_args=arguments, task_vars=task_vars)
        if not done.get("failed") and done["missing"] and not self._task.check_mode:
            contents = {path.name: base64.b64encode(path.read_bytes()).decode() for path in found}
            arguments["contents"] = {name: contents[name] for name in done["missing"]}
            done = self._execute_module(module_name="testbed_wheels", module_args=arguments, task_vars=task_vars)
        done.pop("invocation", None)
        return {**result, **done, "names": [path.name for path in found]}
