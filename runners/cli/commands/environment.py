"""`testbed up`, `down`, `status`, `restart`, `logs`, `verify`, `drift`, `reset`, `rollback`, `doctor`, `env list`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from runners.cli.main import Commands
    from runners.cli.provisioning import Interrupts, Progress
    from runners.cli.session import Session
    from runners.environment.up import Up


def register(commands: Commands) -> None:
    commands.add(
        "doctor",
        _doctor,
        "what this machine can do, and what each missing part would give",
        examples="testbed doctor\ntestbed doctor --json",
    )
    up = commands.add(
        "up", _up, "provision an environment, or bring it to what is asked",
        examples="testbed up\ntestbed up staging --inventory ./inventories/staging\n"
        "testbed up --only postgres redis\ntestbed up --set defects=drop_acked_1pct\n"
        "testbed up --set stores=real --set identity=keycloak\ntestbed up --rotate-secrets",
    )  # fmt: skip
    up.add_argument("name", nargs="?", metavar="ENV", help="environment (default: local)")
    up.add_argument(
        "--inventory", metavar="NAME|DIR", help="what to provision from (default: the one named like ENV, else local)"
    )
    up.add_argument("--fresh", action="store_true", help="remove the old data first")
    up.add_argument(
        "--rotate-secrets",
        action="store_true",
        help="make every generated secret anew and restart what knows the old ones",
    )
    up.add_argument("--only", nargs="+", metavar="SERVICE", default=[], help="these services and what they require")
    status = commands.add(
        "status",
        _status,
        "what runs and how it is; disturbs nothing",
        examples="testbed status\ntestbed status staging --json",
    )
    status.add_argument("name", nargs="?", metavar="ENV")
    down = commands.add(
        "down",
        _down,
        "remove an environment: processes, data, secrets, configuration",
        examples="testbed down\ntestbed down staging --keep-data",
    )
    down.add_argument("name", nargs="?", metavar="ENV")
    down.add_argument("--keep-data", action="store_true", help="keep data, secrets and ports for the next up")
    down.add_argument("--force", action="store_true", help="even while a run drives it")
    restart = commands.add("restart", _restart, "stop and start one service", examples="testbed restart ingest")
    restart.add_argument("service", metavar="SERVICE")
    restart.add_argument("--force", action="store_true", help="even while a run drives the environment")
    logs = commands.add("logs", _logs, "what a service wrote", examples="testbed logs ingest -f")
    logs.add_argument("service", metavar="SERVICE")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it grows, until interrupted")
    logs.add_argument("-n", "--lines", type=int, default=100, metavar="N", help="how many lines back (default: 100)")
    verify = commands.add(
        "verify",
        _verify,
        "check settings, secrets and connections, and probe each operation of the target once",
        examples="testbed verify\ntestbed verify staging --json",
    )
    verify.add_argument("name", nargs="?", metavar="ENV")
    drift = commands.add(
        "drift",
        _drift,
        "how a running environment differs from what was provisioned; exit 1 when it does",
        examples="testbed drift\ntestbed drift staging --json",
    )
    drift.add_argument("name", nargs="?", metavar="ENV")
    reset = commands.add(
        "reset",
        _reset,
        "fresh data; secrets, ports and settings stay",
        examples="testbed reset\ntestbed reset staging",
    )
    reset.add_argument("name", nargs="?", metavar="ENV")
    reset.add_argument("--force", action="store_true", help="even while a run drives it")
    rollback = commands.add(
        "rollback",
        _rollback,
        "make the environment from its last good release again",
        examples="testbed rollback\ntestbed rollback staging --to 3",
    )
    rollback.add_argument("name", nargs="?", metavar="ENV")
    rollback.add_argument("--to", type=int, default=0, metavar="RELEASE", help="this one instead of the last good one")
    rollback.add_argument("--force", action="store_true", help="even while a run drives it")
    commands.group("env", "environments: list").add(
        "list", _list, "all environments of this home", examples="testbed env list"
    )


def _up(session: Session, args: argparse.Namespace) -> int:
    from runners.cli.launch import inventory_of
    from runners.config.settings import resolve
    from runners.environment import service

    name = session.environment_name(args.name)
    chosen = resolve(session.overrides, inventory=inventory_of(session, name, args.inventory))
    return _provisioned(
        session, name,
        lambda progress, interrupts: service.up(
            session.home, name, source=args.inventory, fresh=args.fresh, only=args.only, rotate=args.rotate_secrets,
            defects=chosen["defects"], stores=chosen["stores"], identity=chosen["identity"], on_event=progress.take,
            cancel=interrupts.count,
        ),
    )  # fmt: skip


def _provisioned(session: Session, name: str, work: Callable[[Progress, Interrupts], Up]) -> int:
    """Do what ends in an environment that is ready; tell how it ended, as events or for people."""
    from runners.cli.provisioning import Interrupts, Progress, summary
    from runners.environment import service
    from runners.lib.errors import NotReady, TestbedError

    progress = Progress(session, name)
    try:
        with Interrupts(session, "rolling back; once more to stop at once") as interrupts:
            done = work(progress, interrupts)
    except TestbedError:
        document = service.status(session.home, name)
        progress.end(document, **({"failure": document["failure"]} if "failure" in document else {}))
        raise
    progress.end(done.status, changed=done.changed, modules=done.modules, seconds=done.seconds)
    if done.status["state"] != "ready":  # something ended after the playbook had seen it healthy
        reasons = dict.fromkeys(str(item["reason"]) for item in done.status["services"] if item.get("reason"))
        raise NotReady(
            f"environment '{name}' was provisioned, and is {done.status['state']} now: {'; '.join(reasons) or 'no reason is known'}",
            remedy=f"testbed status {name} says how it is; testbed up {name} starts what ended, testbed down {name} removes it",
        )
    if not session.json:
        session.result(done.status, summary(session.home.env(name), done))
    return 0


def _reset(session: Session, args: argparse.Namespace) -> int:
    from runners.environment import service

    name = session.environment_name(args.name)
    return _provisioned(
        session, name,
        lambda progress, interrupts: service.reset(
            session.home, name, force=args.force, on_event=progress.take, cancel=interrupts.count
        ),
    )  # fmt: skip


def _rollback(session: Session, args: argparse.Namespace) -> int:
    from runners.environment import service

    name = session.environment_name(args.name)

    def work(progress: Progress, interrupts: Interrupts) -> Up:
        done = service.rollback(
            session.home, name, to=args.to, force=args.force, on_event=progress.take, cancel=interrupts.count
        )
        session.event({"type": "phase", "environment": name, "name": "rollback", "release": done.release})
        session.say(f"back at release {done.release}")
        for line in done.other:
            session.say(f"  not brought back: {line}")
        return done.up

    return _provisioned(session, name, work)


def _drift(session: Session, args: argparse.Namespace) -> int:
    from runners.cli.provisioning import Interrupts
    from runners.environment import service

    name = session.environment_name(args.name)
    with Interrupts(session, "stopping") as interrupts:
        document = service.drift(session.home, name, cancel=interrupts.count)
    lines = [
        f"✘ {item['service'] or name}: {item['kind']}: {item['path'] or ''}: expected {item['expected']}, found {item['found']}"
        for item in document["items"]
    ]  # fmt: skip
    verdict = f"{len(lines)} deviations; testbed up {name} mends what is provisioned" if lines else "no drift"
    session.result(document, "\n".join([*lines, verdict]))
    return 1 if document["drifted"] else 0


def _status(session: Session, args: argparse.Namespace) -> int:
    from runners.environment import service

    document = service.status(session.home, session.environment_name(args.name))
    session.result(document, _status_text(document))
    return 0


def _status_text(document: dict[str, Any]) -> str:
    from runners.environment import service

    head = f"environment {document['environment']} ({document['kind']}): {document['state']}"
    lease = document["lease"]
    if lease["run"]:
        head += f" · driven by run {lease['run']}"
    elif lease.get("operation"):
        head += f" · busy: {lease['operation']}"
    if document["defects"]:
        head += f" · known defects switched on: {', '.join(document['defects'])}"
    lines = [head, *(f"  {line}" for line in service.lines(document))]
    if (choices := service.choices(document)) is not None:
        lines.append(f"  {choices}")
    if document.get("failure"):
        from runners.environment.up import explain

        lines.append(f"  the last up failed at '{document['failure']['failed_task']}':" + explain(document["failure"]))
    if document["state"] in ("absent", "failed"):
        lines.append(f"  → provision it with: testbed up {document['environment']}")
    return "\n".join(lines)


def _list(session: Session, _args: argparse.Namespace) -> int:
    from runners.environment import service

    items = [service.status(session.home, name) for name in service.names(session.home)]
    rows = [
        f"{item['environment']:<12} {item['kind']:<9} {item['state']:<13} {item['urls'].get('api') or ''}"
        for item in items
    ]  # fmt: skip
    session.result({"items": items}, "\n".join(rows) or f"no environment in {session.home.root}; make one: testbed up")
    return 0


def _down(session: Session, args: argparse.Namespace) -> int:
    from runners.cli.provisioning import Interrupts, Progress
    from runners.environment import service

    name = session.environment_name(args.name)
    progress = Progress(session, name)
    with Interrupts(session, "stopping; run testbed down again for the rest") as interrupts:
        removed = service.down(
            session.home, name, keep_data=args.keep_data, force=args.force, on_event=progress.take,
            cancel=interrupts.count,
        )  # fmt: skip
    progress.end(service.status(session.home, name))
    if not session.json:
        kept = " (data, secrets and ports are kept)" if args.keep_data and removed else ""
        said = {
            "": f"there is no environment {name}", "gone": f"environment {name} is gone{kept}",
            "forgotten": f"environment {name} is forgotten here; its host was not asked and still has what was there",
        }  # fmt: skip
        session.result(None, said[removed])
    return 0


def _restart(session: Session, args: argparse.Namespace) -> int:
    from runners.environment import service

    name = session.environment_name()
    session.event({"type": "phase", "environment": name, "name": "restart", "service": args.service})
    done = service.restart(session.home, name, args.service, force=args.force)
    what = f"container {done['container'][:12]}" if done.get("container") else f"process {done['pid']}"
    text = f"{done['service']} runs again after {done['seconds']:.2f} s, as {what}"
    session.result({"type": "service", "environment": name, **done}, text)
    return 0


def _logs(session: Session, args: argparse.Namespace) -> int:
    from runners.environment import service
    from runners.lib.text import plain

    lines = service.log(session.home, session.environment_name(), args.service, args.lines, follow=args.follow)
    if not args.follow:
        found = list(lines)
        session.result({"service": args.service, "lines": found}, plain("\n".join(found)))
        return 0
    try:
        for line in lines:
            _log_line(session, args.service, line)
    except KeyboardInterrupt:
        pass  # the orderly end of following
    return 0


def _log_line(session: Session, service: str, line: str) -> None:
    from runners.lib.text import plain

    session.result({"type": "output", "service": service, "line": line}, plain(line))


def _verify(session: Session, args: argparse.Namespace) -> int:
    from runners.environment import service

    document = service.verify(session.home, session.environment_name(args.name))
    rows, area, areas = [], "", list(document["areas"])
    for item in sorted(document["operations"], key=lambda item: areas.index(item["name"].partition(".")[0])):
        group, _, name = item["name"].partition(".")
        if group != area:
            area = group
            counts = document["areas"][group]
            absent = f", {counts['not_applicable']} not applicable" if counts["not_applicable"] else ""
            bad = f", {counts['failed']} failed" if counts["failed"] else ""
            rows.append(f"{group}: {counts['ok']} of {sum(counts.values())}{bad}{absent}")
        mark = {"ok": "✔", "failed": "✘"}.get(item["state"], "–")
        latency = f"{item['latency_ms']:7.1f} ms" if item["latency_ms"] is not None else " " * 10
        needed = "required" if item["name"] in document["required"] else ""
        rows.append(
            f"  {mark} {name:<22} {item['status'] or '':>4} {latency}  {needed:<8} {item['reason'] or ''}".rstrip()
        )
    rows += _checked(document["checks"])
    verdict = "ready" if document["ready"] else "not ready: what is required is missing"
    rows.append(f"{verdict} · coverage {document['coverage']:.0%} of the canonical operations")
    session.result(document, "\n".join(rows))
    return 0 if document["ready"] else 2


def _checked(found: list[dict[str, Any]]) -> list[str]:
    """A line for each kind of check, and one for each check that does not hold."""
    rows = []
    for kind in dict.fromkeys(item["kind"] for item in found):
        of_kind = [item for item in found if item["kind"] == kind]
        rows.append(f"{kind}s: {sum(item['state'] == 'ok' for item in of_kind)} of {len(of_kind)}")
        rows += [
            f"  {'✘' if item['state'] == 'failed' else '–'} {item['name']:<22} {item['reason']}"
            for item in of_kind
            if item["state"] != "ok"
        ]
    return rows


def _doctor(session: Session, _args: argparse.Namespace) -> int:
    from runners.environment.doctor import examine

    found = examine()
    rows: list[str] = []
    for item in sorted(found, key=lambda item: not item.used):
        if not item.used and not any(row.startswith("\n") for row in rows):
            rows.append("\nlooked at for later versions; nothing makes use of them yet:")
        rows.append(f"{'✔' if item.available else '–'} {item.name:<13} {item.detail}")
        if not item.available and item.used:
            rows.append(f"{'':<16}would give: {item.gives}\n{'':<16}→ {item.remedy}")
    session.result({"capabilities": [item.to_json() for item in found]}, "\n".join(rows))
    return 0
