"""Is what the generator makes like production? The figures of docs/realism.md, each against its range.

python -m tests.perf realism                  the table on stderr; fails when a figure is out of its range
python -m tests.perf.realism [--page] [--pictures]    the table; writes it into the page, and the pictures anew
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence

from tests.perf.harness import Round, case
from tests.realism.figures import Figure, figures
from tests.realism.sample import sample


@case("realism", unit="figures out of their range", at_most=0)
def realism(quick: bool) -> Iterator[Round]:
    """A day is the smallest size of it: quick makes no difference."""
    found = figures(sample())
    print(text(found), file=sys.stderr)
    yield Round(float(sum(not one.holds for one in found)))


def text(found: Sequence[Figure]) -> str:
    """A line for each figure."""
    rows = [("figure", "production", "ours", ""), *((one.name, one.range, one.shown(one.value), "" if one.holds else "OUT") for one in found)]  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}  {d}".rstrip() for a, b, c, d in rows)


def main() -> int:
    from tests.realism.page import PAGE, PICTURES, with_table

    parser = argparse.ArgumentParser(prog="python -m tests.perf.realism", description="Is it like production?")
    parser.add_argument("--page", action="store_true", help="write the table into docs/realism.md")
    parser.add_argument("--pictures", action="store_true", help="write docs/images/realism anew; needs Chromium")
    args = parser.parse_args()
    found = figures(sample())
    print(text(found))
    if args.page:
        PAGE.write_text(with_table(PAGE.read_text(), found))
    if args.pictures:
        from tests.realism.pictures import draw

        for path in draw(sample(), PICTURES):
            print(path.relative_to(PAGE.parent))
    return 0 if all(one.holds for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
