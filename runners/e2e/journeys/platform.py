"""What holds for every answer: health, request ids, errors without internals, headers."""

from __future__ import annotations

import re

from runners.e2e.journey import Absent, check, equal, journey
from runners.e2e.scene import Scene

EXCEPTION = re.compile(r"\b[a-z_]\w*(?:\.\w+)*\.[A-Z]\w*(?:Error|Exception|Failed)\b")
"""The full name of an exception's class, in Python's and Java's way of writing."""


@journey("platform.is-ready", "health.ready")
def ready(scene: Scene) -> None:
    """The platform says that it is ready."""
    scene.ok("health.ready", None)


@journey("platform.answers-carry-a-request-id", "auth.me")
def request_id(scene: Scene) -> None:
    """Every answer carries a request id, an error too, and the caller's own when it sends one."""
    header = scene.target.profile.expect.request_id
    if header is None:
        raise Absent("the answers of this target carry no request id")
    for name, who in (("auth.me", scene.who("viewer")), ("auth.me", None)):
        answer = scene.call(name, who)
        check(answer.headers.get(header), f"{name} ({answer.status}) has no {header}")
    request = scene.operation("auth.me").request().with_header(header, scene.mark)
    answer = scene.target.send(request, scene.who("viewer"))
    equal(answer.headers.get(header), scene.mark, "the request id that was sent")


@journey("platform.errors-have-one-form", "search.logs", "traces.get", "auth.me")
def errors(scene: Scene) -> None:
    """An error says what is wrong in one form, with the request id and without internals."""
    viewer = scene.who("viewer")
    for answer in (
        scene.call("auth.me", None), scene.call("traces.get", viewer, trace_id="0" * 31 + "1"),
        scene.call("traces.get", viewer, trace_id="'; DROP TABLE logs; --"),
        scene.call("search.logs", viewer, **{**scene.window, "limit": -1}),
    ):  # fmt: skip
        check(400 <= answer.status < 500, f"the status is {answer.status}")
        for part, value in scene.error(answer).items():
            check(value, f"an error with status {answer.status} has no {part.replace('_', ' ')} in its body")
        named = EXCEPTION.search(answer.text)
        check(named is None, f"the message of {answer.status} names {named and named[0]}")
        for word in ("Traceback", "psycopg", "SELECT ", 'File "', "relation "):
            check(word not in answer.text, f"the message of {answer.status} shows internals ({word.strip()})")


@journey("platform.strangers-origins-get-nothing", "auth.me")
def origins(scene: Scene) -> None:
    """A page of another origin is not let in by CORS headers."""
    request = scene.operation("auth.me").request().with_header("Origin", "https://evil.invalid")
    answer = scene.target.send(request, scene.who("viewer"))
    check(answer.ok, f"auth.me answered {answer.status}")
    allowed = answer.headers.get("Access-Control-Allow-Origin")
    check(allowed not in ("*", "https://evil.invalid"), f"Access-Control-Allow-Origin is {allowed}")


@journey("platform.counts-itself", "health.metrics")
def metrics(scene: Scene) -> None:
    """The platform's own metrics are there to be scraped."""
    answer = scene.ok("health.metrics", None)
    check("# TYPE" in answer.text, "no Prometheus text")
