"""Against telemetrygen, in items that arrive per CPU second of the sender: ours is all of it, made, encoded, compressed, sent.

It is measured beside ours when it is on PATH or in TESTBED_BIN_DIR. Where ours is behind: telemetrygen starts in a few
milliseconds, Python with numpy does not; below some ten thousand items a process the start decides. The barred rows send
what it sends, everything but ids and times constant; the shop's rows send ten times the content, simulated first.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator

from runners.ledger.items import Signal
from runners.wire.http import Compression, HttpSink
from tests.perf._plain import Plain
from tests.perf._sending import send
from tests.perf._shop import Shop
from tests.perf._sink import settled, sink
from tests.perf._telemetrygen import children_s, peer, peer_whole, telemetrygen
from tests.perf.harness import Round, case, cpu_of

_ROUNDS = 11
_TURNS = 12
"""Of ours in a round: some 100,000 items, as many as telemetrygen sends."""


def _against(
    quick: bool, *, signal: Signal, batch: int, attributes: int, compressed: bool, shop: bool
) -> Iterator[Round]:
    """shop: ours sends the simulated shop's own telemetry, and simulates it; else what telemetrygen sends."""
    telemetrygen()
    ours, compression = Shop(most=batch) if shop else Plain(signal, batch, attributes), _COMPRESSION[compressed]
    with sink() as to:
        sender = HttpSink(f"http://{to.address}", None, timeout_s=60, compression=compression)
        send(ours.next(signal), sender)  # opens the connection
        for _ in range(2 if quick else _ROUNDS):
            to.take()
            reference = peer(
                to, signal, 20_000 if quick else 100_000, batch=batch, attributes=attributes, gzip=compressed
            )
            sent: list[int] = []
            took = cpu_of(lambda to=sent: to.extend(send(ours.next(signal), sender) for _ in range(_TURNS)))  # type: ignore[misc]
            assert settled(to, sum(sent)) == sum(sent)
            yield Round(sum(sent) / took, reference)


_COMPRESSION: dict[bool, Compression] = {True: "gzip", False: "none"}

for _name, _bar, _signal, _batch, _attributes, _gzip, _shop in (
    ("spans", 20, "traces", 512, 0, False, False),
    ("spans_attributes_gzip", 12, "traces", 768, 8, True, False),
    ("spans_small", 12, "traces", 96, 8, False, False),
    ("logs", 20, "logs", 512, 0, False, False),
    ("logs_attributes_gzip", 12, "logs", 768, 7, True, False),
    ("shop_spans_gzip", 12, "traces", 768, 8, True, True),
    ("shop_logs_gzip", None, "logs", 768, 7, True, True),
):
    case(f"datagen_telemetrygen_{_name}", unit="items/CPU s", against="telemetrygen, received", at_least=_bar)(
        functools.partial(_against, signal=_signal, batch=_batch, attributes=_attributes, compressed=_gzip, shop=_shop)
    )


@case("datagen_telemetrygen_whole", unit="items/CPU s", against="telemetrygen, starts included", at_least=15)
def whole(quick: bool) -> Iterator[Round]:
    """A process of each that sends a million spans of telemetrygen's own content."""
    number = 20_000 if quick else 1_000_000
    with sink() as to:
        for _ in range(1 if quick else 3):
            reference = peer_whole(to, number)
            before = children_s()
            subprocess.run([sys.executable, "-m", "tests.perf._plain", to.address, str(number)], check=True)
            took = children_s() - before
            yield Round(settled(to, number) / took, reference)
