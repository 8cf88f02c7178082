"""What varies in the texts of a request: fields of fixed width, drawn from pools, and variants that are baked in.

A field's text is as wide for every request, so a serialised item can have a hole for it. What cannot be of one width
(agents, queries, counts) comes as one of `VARIANTS` profiles.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from runners.datagen.formats.pii import personal
from runners.ledger.identity import derive, mix
from runners.ledger.mixing import U64

VARIANTS, FEW_VARIANTS = 64, 8
"""Profiles; failed visits, of which there are many kinds and few spans, know the first few only."""
USERS, PRODUCTS, CLIENTS = 5_000, 800, 4_096
WIDTHS = {"user": 8, "product": 8, "client": 14, "order": 16}
"""Of each field in bytes; `order` is 16 hexadecimal digits of a number, the others come from pools."""
ZIPF_BITS = 16
_QUERIES = (
    "red+shoes", "usb-c+cable", "tent+2+person", "espresso", "raincoat", "desk+lamp", "running+belt", "keyboard+iso",
    "water+filter", "bike+lock", "noise+cancelling", "yoga+mat", "blender", "kids+jacket", "hdmi+2.1", "thermos",
    "hiking+boots+43", "sd+card", "wool+socks", "phone+case", "standing+desk", "tea", "laptop+sleeve+14", "garden+hose",
)  # fmt: skip
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
    "shop-android/8.41.2 (Pixel 9; Android 16)",
    "shop-ios/8.40.0 (iPhone17,1; iOS 26.1)",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "okhttp/5.3.0",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://www.example.com/bot)",
    "python-requests/2.32.5",
)  # fmt: skip


@lru_cache(maxsize=1)
def pools() -> Mapping[str, tuple[str, ...]]:
    """The texts of each field that has a pool, most frequent first."""
    return {
        "user": tuple(f"u{1_000_000 + number * 1_799 % 9_000_000}" for number in range(USERS)),
        "product": tuple(f"SKU{10_000 + number * 97 % 90_000}" for number in range(PRODUCTS)),
        # 198.18.0.0/15 is set aside for such purposes (RFC 2544).
        "client": tuple(
            f"198.{18 + (bits & 1)}.{100 + (bits >> 8) % 155}.{100 + (bits >> 24) % 155}"
            for bits in map(mix, range(1, CLIENTS + 1))
        ),
    }


@lru_cache(maxsize=1)
def placeholders() -> Mapping[str, str]:
    """A text for each field that stands in its place where something is made once for all requests: as wide, and such as
    occurs nowhere by chance."""
    return {
        name: "".join(f"{derive('sentinel', name, part):016X}" for part in range(-(-width // 16)))[:width]
        for name, width in WIDTHS.items()
    }


@lru_cache(maxsize=1)
def variants() -> tuple[Mapping[str, str], ...]:
    """What is baked in, by variant; the first ones are the most frequent. email and card stand between the marks of
    `formats.pii`, for the bodies of log records only."""
    return tuple(
        {
            "agent": _AGENTS[number % len(_AGENTS)],
            "query": _QUERIES[(bits >> 10) % len(_QUERIES)],
            "page": str(1 + (bits >> 20 & 0x1F).bit_length()),
            "quantity": str(1 + (bits >> 30) % 6),
            "worker": str(1 + (bits >> 40) % 16),
            "variant": str(number),
            "email": personal("email", number),
            "card": personal("card", number),
        }
        for number, bits in enumerate(map(mix, range(1_001, 1_001 + VARIANTS)))
    )


@lru_cache(maxsize=8)
def zipf(n: int) -> npt.NDArray[np.int64]:
    """2^16 draws from 0..n-1 with frequency proportional to 1 / (1 + rank)."""
    total = sum(1 / rank for rank in range(1, n + 1))
    seen, last = 0.0, 0
    counts: list[int] = []
    for rank in range(1, n + 1):
        seen += 1 / rank / total
        end = round(seen * (1 << ZIPF_BITS)) if rank < n else 1 << ZIPF_BITS
        counts.append(end - last)
        last = end
    return np.repeat(np.arange(n), counts)


def pick(bits: U64, shift: int, n: int) -> npt.NDArray[np.int64]:
    """Such draws by 16 bits of each, from `shift` on."""
    return zipf(n)[(bits >> np.uint64(shift) & np.uint64((1 << ZIPF_BITS) - 1)).astype(np.int64)]
