"""`python -m tests.perf [NAME…] [--json] [--quick] [--list]`: one line a benchmark.

Exit code: 0; 1 when a bar does not hold (never with --quick, whose sizes prove nothing); 3 when a benchmark broke.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import sys
from typing import Any

from tests.perf.harness import CASES, load_areas, measure


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.perf", description="Benchmarks against a reference.")
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="these only, or all of an area (datagen); * matches; large ones run when named",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document a line")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs; no verdict")
    parser.add_argument("--list", action="store_true", help="names and bars")
    args = parser.parse_args()
    load_areas()
    chosen = [
        found
        for found in CASES.values()
        if any(_means(name, found.name) for name in args.names) or (not args.names and not found.large)
    ]
    if not chosen:
        parser.error(f"no benchmark is called so; there are: {', '.join(CASES)}")
    if args.list:
        for found in chosen:
            print(f"{found.name:<32} {found.bar or 'no bar':<10} {found.against or ''}")
        return 0
    lines = []
    for found in chosen:
        lines.append(line := measure(found, quick=args.quick))
        print(json.dumps(line) if args.json else _text(line), flush=True)
    if any(line.get("broken") for line in lines):
        return 3
    return 1 if not args.quick and any(line["holds"] is False for line in lines) else 0


def _means(name: str, benchmark: str) -> bool:
    """Is it called so, or does it belong to the area of that name?"""
    return fnmatch.fnmatch(benchmark, name) or fnmatch.fnmatch(benchmark, f"{name}_*")


def _text(line: dict[str, Any]) -> str:
    verdict = {True: "holds", False: "DOES NOT HOLD", None: line.get("reason", "")}[line["holds"]]
    if line["value"] is None:
        return f"{line['name']:<32} not measured: {verdict}"
    ratio = "" if line["ratio"] is None else f"  {line['ratio']:g} × {line['against']} ({line['reference']:,g})"
    spread = "" if line["spread"] is None else f"  [{line['spread'][0]:g} … {line['spread'][1]:g}]"
    return f"{line['name']:<32} {line['value']:,g} {line['unit']}{ratio}{spread}  {line['bar'] or ''}  {verdict}"


if __name__ == "__main__":
    sys.exit(main())
