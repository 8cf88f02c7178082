"""Writing: acknowledged means stored, once; refused means told."""

from __future__ import annotations

from runners.e2e import telemetry
from runners.e2e.journey import Absent, check, equal, journey
from runners.e2e.scene import Scene
from runners.e2e.telemetry import Log


@journey("writing.repeats-count-once", "ingest.logs", "search.logs")
def idempotent(scene: Scene) -> None:
    """A write that is repeated under its Idempotency-Key is stored once."""
    if not scene.target.idempotency_honoured:
        raise Absent("the profile says that idempotency keys are not honoured")
    scene.writable()
    payload = telemetry.logs_request(scene.service, [Log(scene.moment(0), f"{scene.mark} once")])
    request = scene.operation("ingest.logs").request(payload=payload).with_header("Idempotency-Key", scene.mark)
    for _ in range(3):
        answer = scene.target.send(request, scene.who("agent"))
        check(answer.ok, f"the write was answered with {answer.status}")
    scene.write_logs([Log(scene.moment(1), f"{scene.mark} after")])
    found = scene.eventually(
        lambda: scene.mine("search.logs"),
        lambda items: any("after" in repr(one) for one in items),
        "the write was not found",
    )
    equal(sum(f"{scene.mark} once" in repr(one) for one in found), 1, "how often the repeated write is stored")


@journey("writing.refusals-are-told", "ingest.logs", "search.logs")
def partial(scene: Scene) -> None:
    """Of a write with records that cannot be stored, the answer says how many; the others are stored."""
    scene.writable()
    year = 365 * 86_400 * 10**9
    logs = [
        Log(scene.moment(0), f"{scene.mark} good"),
        Log(scene.began_ns + 10 * year, f"{scene.mark} of the far future"),
    ]
    request = scene.operation("ingest.logs").request(payload=telemetry.logs_request(scene.service, logs))
    answer = scene.target.send(request, scene.who("agent"))
    if not answer.ok:  # all or nothing: then nothing it is
        refused = answer.status in scene.target.profile.expect.invalid
        check(refused, f"the write was answered with {answer.status}")
        scene.write_logs([Log(scene.moment(1), f"{scene.mark} after")])
        found = scene.eventually(lambda: scene.mine("search.logs"), bool, "the write afterwards was not found")
        check("good" not in repr(found), "a write that was refused as a whole is stored in part")
        return
    rejected = int(((answer.json or {}).get("partialSuccess") or {}).get("rejectedLogRecords") or 0)
    scene.eventually(lambda: scene.mine("search.logs"), bool, "the good record was not found")
    wide = {"from": str(scene.began_ns - year), "to": str(scene.began_ns + 11 * year)}
    stored = len(scene.mine("search.logs", **wide))
    equal(stored + rejected, 2, "records stored and told as rejected")


@journey("writing.garbage-is-refused", "ingest.logs")
def garbage(scene: Scene) -> None:
    """What is no telemetry is refused as the sender's mistake."""
    scene.write_logs([Log(scene.moment(0), f"{scene.mark} good")])  # what is telemetry, the same writer may write
    for payload in (
        {"resourceLogs": "x"},
        {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"timeUnixNano": "soon"}]}]}]},
        [1],
    ):
        answer = scene.call("ingest.logs", scene.who("agent"), payload=payload)
        refused = answer.status in (*scene.target.profile.expect.invalid, 413, 415)
        check(refused, f"{payload!r} was answered with {answer.status}")
