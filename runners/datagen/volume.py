"""From a volume in bytes to a rate of requests, by what a request of the shop weighs."""

from __future__ import annotations

# Logs and spans of a mean request, OTLP before compression; held within a tenth by a test. Changing it changes what
# scenarios with a volume make.
REQUEST_BYTES = 7_700


def requests_per_s(bytes_per_s: float) -> float:
    """How many requests a second make this volume of logs and traces; metrics come on top."""
    return bytes_per_s / REQUEST_BYTES
