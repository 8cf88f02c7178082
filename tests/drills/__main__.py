"""`python -m tests.drills [NAME…] [--json] [--rounds N] [--case PATTERN] [--fresh]`: a line per trial, a table at the end.

Interrupted, it goes on where it stopped; `--fresh` begins anew. Exit code 1 when anything did not hold.
"""

from __future__ import annotations

import argparse
import importlib
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

from tests.drills.framework import Drill, Line, perform, table

_NOT_DRILLS = ("__main__", "framework", "testbed")


def drills() -> dict[str, Drill]:
    """Every module beside this one that defines DRILL."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in _NOT_DRILLS)
    found = [importlib.import_module(f"tests.drills.{name}").DRILL for name in names]
    return {drill.name: drill for drill in found}


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    signal.signal(signal.SIGTERM, _interrupt)  # what a drill has started ends with it
    known = drills()
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=", ".join(f"{d.name}: {d.about}" for d in known.values())
    )
    parser.add_argument("--json", action="store_true", help="trials as JSON lines")
    parser.add_argument("--rounds", type=int, help="trials of each case (default: the drill's own number)")
    parser.add_argument("--fresh", action="store_true", help="forget what an interrupted call has done")
    parser.add_argument("--case", default="*", metavar="PATTERN", help="only these cases of each drill (default: all)")
    args = parser.parse_args()
    if unknown := set(args.names) - known.keys():
        parser.error(f"no drill {', '.join(sorted(unknown))}; there are {', '.join(known)}")

    def tell(line: Line) -> None:
        if args.json:
            print(json.dumps(asdict(line)), flush=True)
            return
        figures = " ".join(f"{key}={value}" for key, value in line.figures.items())
        print(
            f"{'holds ' if line.holds else 'BROKEN'} {line.drill} {line.trial} {line.seconds:.1f} s  {figures}",
            flush=True,
        )
        for sentence in line.wrong:
            print(f"       {sentence}", flush=True)

    lines: list[Line] = []
    try:
        for name in args.names or known:
            lines += perform(known[name], rounds=args.rounds, fresh=args.fresh, tell=tell, cases=args.case)
    except KeyboardInterrupt:
        print("interrupted; the next call goes on from here", file=sys.stderr)
        return 130
    if not lines:
        print(f"nothing was tried: no case is called {args.case}", file=sys.stderr)
        return 2
    print(table(lines), file=sys.stderr if args.json else sys.stdout)
    return 0 if all(line.holds for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
