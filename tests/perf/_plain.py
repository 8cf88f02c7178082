"""A process that sends so many spans of telemetrygen's own content, in requests of 512: `python -m tests.perf._plain ADDRESS NUMBER`."""

from __future__ import annotations

import sys

from runners.lib.lasting import lasting


def main(address: str, number: int) -> None:
    with lasting():
        from runners.wire.http import HttpSink
        from tests.perf._sending import send
        from tests.perf._telemetrygen import Plain

    sender, plain = HttpSink(f"http://{address}", None, timeout_s=60, compression="none"), Plain("traces", 512, 0)
    left = number
    while left > 0:
        left -= send(plain.next("traces"), sender)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
