"""Auditing a ledger of this generator: the world made again from its header, read against the environment it wrote to."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runners.audit.causes import Fault, Outage, phrase
from runners.audit.causes import outages as outages_of
from runners.audit.gaps import faults_of
from runners.audit.reader import ExportReader, Reader, Unreadable
from runners.audit.run import FATAL, Audit, not_assessed, write_findings
from runners.audit.run import audit as compare
from runners.audit.sights import sights
from runners.datagen.reading import PLATFORM, hidden, open_stores, outlet_of, platform_of, written_to
from runners.datagen.scenario import Scenario, read_scenario
from runners.datagen.stores import Store
from runners.datagen.world import World
from runners.events import read_events
from runners.ledger.attempt import Batch
from runners.ledger.header import FORMAT, HEADER, ROWS, SCENARIO, Header, read_header
from runners.ledger.items import SIGNALS, Item, Signal, moment
from runners.ledger.reader import Fate, being_written, fates, read_attempts, totals
from runners.ledger.refusals import Refusal, read_refusals
from runners.lib.errors import NotReady
from runners.lib.files import read_json, write_json
from runners.lib.home import Home
from runners.target import open_target

WAIT_S, PAST_WAIT_S = 15.0, 180.0
_PAST_NS = 3600 * 10**9  # what is older may be shown only once a store has flushed it
_FLUSHING_S = 0.5
_ITEMS: dict[Signal, str] = {"logs": "log records", "traces": "spans", "metrics": "samples"}
_MOST_SAID = 5
_PUT_BACK = "put header.json and scenario.yaml back as the run wrote them, or use the version that wrote them"
_HIDDEN = {"duplicated": "duplicates", "leaked": "leaks", "forged": "items that nobody sent"}


def scenario_of(folder: Path, header: Header) -> Scenario:
    """What the ledger's run played. Raises NotReady when the scenario beside it is not the one that ran, or
    another version of the generator ran it."""
    if header.v != FORMAT:
        raise NotReady(
            f"the ledger in {folder} has items of format {header.v}, which this version (format {FORMAT}) does not make",
            remedy=f"audit it with the version that wrote it ({header.code}), or generate anew",
        )
    path = folder / SCENARIO
    try:
        source = path.read_bytes()
    except OSError as error:
        raise NotReady(
            f"the ledger's scenario cannot be read: {error.strerror}", file=path, remedy="put it back beside the header"
        ) from None
    if hashlib.sha256(source).hexdigest() != header.scenario_sha256:
        raise NotReady(
            "the scenario was changed after the run: its items cannot be made again", file=path,
            remedy="put the scenario back that the run played",
        )  # fmt: skip
    return read_scenario(source, path)


def world_of(folder: Path, header: Header) -> World:
    """The world that wrote the ledger. Raises NotReady as `scenario_of` does, and for a header of another run."""
    scenario, file = scenario_of(folder, header), folder / HEADER
    if header.tenants != scenario.tenants:
        raise NotReady("the header's tenants are not the scenario's", file=file, remedy=_PUT_BACK)
    spec = read_json(folder.parent.parent / "spec.json")
    if isinstance(spec, dict) and spec.get("action") == "generate" and spec.get("id") != header.run:
        raise NotReady(
            f"the header is of run {header.run}, the folder of {spec.get('id')}", file=file, remedy=_PUT_BACK
        )
    return World(scenario, header.identity, header.seed, header.start_ns, header.duration_s)


def require_fitting(world: World, folder: Path, attempts: Mapping[Batch, Fate]) -> None:
    """Raises NotReady when the world does not make the requests that the ledger tells of: something was changed after the run,
    and everything would be called lost and forged."""
    order = list(attempts)
    ends = {(batch.signal, "first"): batch for batch in reversed(order)} | {(one.signal, "last"): one for one in order}
    for batch in ends.values():
        fate = attempts[batch]
        made: Sequence[Item] = ()
        if batch.tenant < len(world.tenants) and batch.tick <= world.ticks:
            items = world.slice(batch.tenant, batch.signal, batch.tick)
            ended = world.ended(*batch[:3])
            made = [item for index, item in enumerate(items) if world.part_of(index, len(items), ended) == batch.part]
        times = [moment(item) for item in made] or [0]
        if (len(made), min(times), max(times)) != (fate.items, fate.first_time, fate.last_time):
            raise NotReady(
                f"the ledger tells of a request ({batch.signal}, tick {batch.tick}) that this scenario, seed and start do not make",
                file=folder / HEADER, remedy=_PUT_BACK,
            )  # fmt: skip


def require_whole(folder: Path, header: Header) -> None:
    """Raises NotReady when the run said that it sent more than its ledger tells of: rows are missing."""
    events = folder.parent.parent / "events.jsonl"
    try:
        said = [event for event in read_events(events) if event.get("type") == "ledger" and event.get("kind") == "sent"]
    except (OSError, ValueError):  # a ledger that lies elsewhere
        return
    if not said:
        return
    numbers = range(len(header.outlets))
    held = sum(totals(fates(read_attempts(folder, number)).values()).sent for number in numbers)
    if held < int(said[-1]["sent"]):
        raise NotReady(
            f"the ledger is not whole: the run sent {said[-1]['sent']:,} items, and it tells of {held:,}", file=folder / ROWS,
            remedy="restore the file from a copy: what the store has of the rest would be called forged",
        )  # fmt: skip


def usual_wait_s(header: Header, now_ns: int) -> float:
    """How long acknowledged items may stay invisible. It is not waited for what can be seen."""
    return PAST_WAIT_S if header.start_ns + header.duration_s * 1e9 < now_ns - _PAST_NS else WAIT_S


def audit_ledger(
    folder: Path, home: Home, *, environment: str | None, wait_s: float | None = None,
    progress: Callable[[str], None] = lambda _text: None, reader: Reader | None = None, honoured: bool = True,
    stores: Sequence[Store] = (), shared: bool = False, flush: bool = False,
) -> Audit:  # fmt: skip
    """Read back and judge. environment: None means the one that was written to. wait_s: None as `usual_wait_s` says. reader: instead of the environment's
    (honoured then says what its target promises). stores: read these themselves; without any, those that the run wrote to
    itself, or its platform; shared: their tenants are one; flush: a Loki is told to flush first. Raises NotReady when there is no
    readable ledger; a store that cannot be read gives an audit with the verdict invalid."""
    header = read_header(folder)
    world = world_of(folder, header)
    writing = being_written(folder)  # asked first: a ledger that ends meanwhile was still read too early
    asked = tuple(stores) or (written_to(header) if reader is None else ())
    attempts = _attempts(folder, header, asked)
    if not writing:
        require_whole(folder, header)
        require_fitting(world, folder, attempts)
    else:
        return not_assessed(world, attempts, "the run is still writing: its ledger is no account of the store yet")

    def faults() -> list[Fault]:
        spec = read_json(folder.parent.parent / "spec.json")
        return faults_of(home.runs, str(spec["campaign_run"])) if isinstance(spec, dict) else []

    def outages() -> list[Outage]:
        return outages_of(told for number in _numbers(header, asked) for told in read_attempts(folder, number))

    patience_s = usual_wait_s(header, time.time_ns()) if wait_s is None else wait_s
    numbers = _numbers(header, asked)
    said = [one for one in read_refusals(folder) if one.signal in numbers.get(one.sink, ())]
    common: dict[str, Any] = {
        "wait_s": patience_s, "tick_s": world.tick_ns / 1e9, "faults": faults, "outages": outages, "progress": progress,
        "said": said,
    }  # fmt: skip
    try:
        if reader is not None:
            return compare(world, attempts, reader, honoured=honoured, **common)
        if asked:
            opened = open_stores(asked, world, attempts, shared=shared, flush=flush)
            deadline = time.monotonic() + patience_s
            try:
                while True:
                    # What a store is written twice under one key, it cannot know; nor show.
                    found = compare(
                        world, attempts, opened, honoured=False, sights=opened.sights,
                        unread=unread(header, asked, bool(stores)), **common,
                    )  # fmt: skip
                    old = hidden(found, asked, time.time_ns())
                    if not old or (flush and time.monotonic() > deadline):
                        return found
                    if not flush:
                        raise Unreadable(
                            f"{old:,} log records are not found that are older than what Loki looks for in its memory: they "
                            "may be there, not flushed yet",
                            remedy="audit again with --flush, which tells Loki to write down what it holds",
                        )
                    time.sleep(_FLUSHING_S)
            finally:
                opened.close()
        if not header.outlets[platform_of(header)].startswith(PLATFORM):
            wrote = ", ".join(header.outlets)
            raise Unreadable(
                f"this run wrote to {wrote} alone: there is no platform to read it back from",
                remedy="if it went on to stores, name them: --from loki+URL --from prw+URL --from tempo+URL",
            )
        with open_target(home.env(environment or header.environment)) as target:
            export = ExportReader(target)
            try:
                return compare(
                    world, attempts, export, honoured=target.idempotency_honoured and header.idempotent,
                    bystanders=[tenant for tenant in target.tenants if tenant not in header.tenants],
                    sights=sights(target), **common,
                )  # fmt: skip
            finally:
                export.close()
    except NotReady as error:
        return not_assessed(world, attempts, str(error))


def unread(header: Header, asked: Sequence[Store], given: bool) -> dict[Signal, str]:
    """Signals that none of these stores keeps, and why they are not looked at. given: were the stores named by a person?"""
    kept = {store.signal for store in asked}
    why = "no store was named for them (--from)" if given else f"this run wrote none ({', '.join(header.outlets)})"
    return {signal: why for signal in SIGNALS if signal not in kept} if asked else {}


def _attempts(folder: Path, header: Header, asked: Sequence[Store]) -> dict[Batch, Fate]:
    """The fates of requests, of each signal at the outlet that stands for the store that is read."""
    found: dict[Batch, Fate] = {}
    for number, signals in _numbers(header, asked).items():
        told = fates(read_attempts(folder, number))
        found |= {batch: fate for batch, fate in told.items() if batch.signal in signals}
    return found


def _numbers(header: Header, asked: Sequence[Store]) -> dict[int, list[Signal]]:
    """The outlets whose attempts count, and of which signals."""
    of = dict.fromkeys(SIGNALS, platform_of(header)) | {store.signal: outlet_of(header, store) for store in asked}
    return {number: [signal for signal in SIGNALS if of[signal] == number] for number in sorted(set(of.values()))}


def write_artifacts(found: Audit, folder: Path) -> list[tuple[Path, str]]:
    """audit.json and lost.ndjson; (path, kind) of each."""
    document, lines = folder / "audit.json", folder / "lost.ndjson"
    write_json(document, found.to_json())
    write_findings(lines, found.findings)
    return [(document, "audit"), (lines, "findings")]


def sentence(found: Audit, signal: Signal) -> str:
    """What is to be said of one signal."""
    if found.reason:
        return found.reason
    if signal in found.unread:
        return f"not read back: {found.unread[signal]}"
    counts = found.of(signal)
    wrong = [f"{counts.wrong[name]:,} {name.replace('_', ' ')}" for name in FATAL if counts.wrong[name]]
    if wrong:
        return f"of {counts.acked:,} acknowledged {_ITEMS[signal]}: {', '.join(wrong)}"
    if silent := found.silent(signal):
        of = "" if len(silent) == len(found.tenants) else f" of {', '.join(silent)}"
        return f"no {_ITEMS[signal]}{of} were acknowledged: there is nothing to hold the platform to"
    there = f"all {counts.acked - counts.markers:,} acknowledged {_ITEMS[signal]} are there"
    ends = f"; {counts.markers:,} markers of series that ended are shown by no store" if counts.markers else ""
    if counts.unseen:
        hidden = [word for name, word in _HIDDEN.items() if name in counts.unseen]
        what = f"{', '.join(hidden[:-1])} and {hidden[-1]}" if len(hidden) > 1 else hidden[0]
        return f"{there}; {what} cannot be seen in this store{ends}"
    return f"{there}, exactly once{ends}"


def _said(one: Refusal) -> str:
    """What was answered to attempts that did not take a request."""
    many = "an attempt" if one.attempts == 1 else f"{one.attempts:,} attempts"
    text = f': "{one.text}"' if one.text else ", in no words or in others"
    return f"{phrase(one.status)} to {many} with {one.signal}, {_moment(one.first)} to {_moment(one.last)} UTC{text}"


def _moment(at: float) -> str:
    """Unix seconds as people write them."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")


def text(found: Audit) -> str:
    """The audit for people."""
    lines = [f"{found.verdict.upper()}"]
    if found.reason:  # the same for all signals
        return "\n".join([*lines, *(f"  {line}" for line in found.reason.splitlines())])
    lines += [f"  {signal:<8} {sentence(found, signal)}" for signal in _ITEMS]
    for gap in found.gaps[:20]:
        what = _ITEMS[gap.signal] if gap.items != 1 else _ITEMS[gap.signal].removesuffix("s")
        when = f"at {_moment(gap.start)} UTC"
        if gap.end - gap.start >= 0.05:
            when = f"from {_moment(gap.start)} to {_moment(gap.end)} UTC ({gap.end - gap.start:.1f} s)"
        lines.append(f"  gap      {gap.items:,} {what} of {gap.tenant}, {when}: {gap.why}")
    if len(found.gaps) > 20:
        lines.append(f"  and {len(found.gaps) - 20} more gaps (--json has them all)")
    lines += [f"  said     {_said(one)}" for one in found.said[:_MOST_SAID]]
    if len(found.said) > _MOST_SAID:
        lines.append(f"  and {len(found.said) - _MOST_SAID} more (--json has them all)")
    return "\n".join(lines)
