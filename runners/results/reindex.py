"""Rebuild the database from the event files of a home."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from runners.lib.files import read_json
from runners.lib.home import Home
from runners.results import reader
from runners.results.store import Batch, Store


@dataclass
class Tree:
    """A campaign's run folder with those of its stages, by run id."""

    run: str
    stages: list[str] = field(default_factory=list)

    @property
    def runs(self) -> list[str]:
        return [self.run, *self.stages]


def trees(home: Home) -> dict[str, Tree]:
    """Every campaign that has a folder, oldest first, with its stages."""
    found: dict[str, Tree] = {}
    orphans: list[tuple[str, str]] = []
    for folder in sorted(home.runs.iterdir()) if home.runs.is_dir() else []:
        spec = read_json(folder / "spec.json")
        if not isinstance(spec, dict) or not (folder / "events.jsonl").exists():
            continue
        parent = spec.get("campaign_run")
        if isinstance(parent, str) and parent != folder.name:
            orphans.append((parent, folder.name))
        else:
            found[folder.name] = Tree(folder.name)
    for parent, stage in orphans:
        if parent in found:
            found[parent].stages.append(stage)
    return found


def stages_of(home: Home, run: str) -> list[str]:
    """The stage runs that a campaign's own events name and that have files."""
    named: dict[str, None] = {}
    for event in reader.events(home.run(run) / "events.jsonl"):
        if event.get("type") == "stage.starting" and isinstance(event.get("run_id"), str):
            named[event["run_id"]] = None
    return [stage for stage in named if (home.run(stage) / "events.jsonl").exists()]


def ingest(home: Home, store: Store, tree: Tree) -> int:
    """Bring the rows of one campaign up to the end of its files; returns the number of events read."""
    count = 0
    for run in tree.runs:
        folder = home.run(run)
        known = store.progress(run)
        offset, state = known or (0, {})
        parent = None if run == tree.run else tree.run
        for events, after in reader.batches(folder / "events.jsonl", offset):
            store.apply([Batch(run, parent, folder, events, offset, after, state)])
            offset, count = after, count + len(events)
    return count


def reindex(home: Home, store: Store, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """Throw away the rows of every finished run that has its files here, and read them anew.

    Runs that are live are left to their coordinator, and runs whose files are not in this home (other homes on one
    PostgreSQL) are left alone. Stopped half-way it is simply started again. progress: called once a campaign.
    """
    all_trees = trees(home)
    live = {path.name for path in home.live.iterdir()} if home.live.is_dir() else set()
    done = events = 0
    for number, tree in enumerate(all_trees.values(), 1):
        if tree.run in live:
            progress(f"{number}/{len(all_trees)} {tree.run} is live: left to its coordinator")
            continue
        store.forget(tree.runs)
        read = ingest(home, store, tree)
        done, events = done + 1, events + read
        progress(f"{number}/{len(all_trees)} {tree.run}: {read} events of {len(tree.runs)} files")
    return {"runs": done, "events": events, "live": len(live & all_trees.keys())}
