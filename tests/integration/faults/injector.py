"""A runner for the trials: injects one fault and then hangs, so that only others can undo it.

Arguments: journal's home, fault, target, time to live in seconds, moment: `pre` (after the plan is journalled), `sent` (an
engine has its order, and has not answered), `mid` (after the first operation), `post` (when the fault is proved in force), and the environment unless it is `local`. At that
moment it says so and waits.
"""

import http.client
import sys
import time
from pathlib import Path

from runners.faults import engine, injection, kinds, services, tree
from runners.faults.injection import Injector
from runners.lib.home import Home


def main() -> None:
    home, fault, target, ttl, moment, *rest = sys.argv[1:]
    stack = services.load(Home(Path(home)).env(rest[0] if rest else "local"))
    injector = Injector(stack, f"run-{fault}-{moment}-{time.time_ns()}")
    if moment == "pre":
        injection.Injector._apply = lambda self, kind, record: reached(record.id)  # type: ignore[method-assign]
    elif moment == "sent":
        http.client.HTTPConnection.getresponse = until_answered  # type: ignore[method-assign]
    elif moment == "mid":
        halve(stack, fault)
    reached(injector.inject(fault, target, float(ttl)).id)


def halve(stack: services.Stack, fault: str) -> None:
    """Stop after the first half of the injection."""
    if stack.kind == "compose":
        order = engine.Engine.do

        def first(self: engine.Engine, *arguments: object, **query: object) -> None:
            order(self, *arguments, **query)  # type: ignore[arg-type]
            reached("mid")

        engine.Engine.do = first  # type: ignore[method-assign]
        return
    if fault == "pause":
        send = tree.send

        def once(process: object, number: object) -> bool:
            send(process, number)  # type: ignore[arg-type]
            reached("mid")
            return True

        tree.send = once  # type: ignore[assignment]
        return
    kind = kinds.catalogue()[fault]
    inner = type(kind).effect

    def before_effect(self: object, record: object) -> str:
        reached("mid")
        return str(inner(self, record))  # type: ignore[arg-type]

    type(kind).effect = before_effect  # type: ignore[method-assign]


_getresponse = http.client.HTTPConnection.getresponse


def until_answered(self: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """Stop where the answer to the first order is waited for."""
    if self._method == "POST":  # type: ignore[attr-defined]
        reached("sent")
    return _getresponse(self)


def reached(what: str) -> object:
    print(what, flush=True)
    time.sleep(3600)
    return None


main()
