"""Words that lines are made of, drawn by Zipf's law: a few very often, most of them rarely. All of them are invented."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from runners.ledger.identity import derive

T = TypeVar("T")

FIRST_NAMES = (
    "anna", "ben", "chiara", "dmitri", "elif", "farid", "grace", "hiro", "ines", "jonas", "keiko", "liam", "mateo",
    "nadia", "olu", "priya", "quentin", "rosa", "sven", "tariq", "ulla", "vera", "wanjiru", "xin", "yusuf", "zofia",
)  # fmt: skip
LAST_NAMES = (
    "adeyemi", "becker", "costa", "dubois", "eriksen", "fischer", "garcia", "haddad", "ito", "jensen", "kowalski",
    "lopez", "mbeki", "novak", "okafor", "petrov", "quist", "rossi", "sato", "tanaka", "ueda", "vargas", "weber", "xu",
    "yilmaz", "zhang",
)  # fmt: skip
MAIL_DOMAINS = ("example.com", "example.org", "example.net", "mail.example.com")  # RFC 2606: nobody's
REFERRERS = (
    "-", "https://shop.example.com/", "https://shop.example.com/cart", "https://shop.example.com/search",
    "https://www.example.org/deals", "https://news.example.net/best-tents",
)  # fmt: skip
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "shop-android/8.41.2 (Pixel 9; Android 16)",
    "okhttp/5.3.0",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +https://www.example.com/bot)",
)  # fmt: skip
NOISE = (
    "----------------------------------------------------------------",
    "Starting up...",
    ">>> config reloaded from /etc/app/config.d (3 files)",
    "WARN retrying in 5s (attempt 2 of 5)",
    "heartbeat ok",
    "GC pause 12ms, heap 214M -> 96M of 512M",
    "connection reset by peer",
    "  * keepalive: 38 idle, 2 active",
    "[deprecated] option 'legacy_sessions' will go away",
    "\x1b[33mwarning\x1b[0m: clock skew of 31 ms against ntp.example.net",
    "Überprüfung der Währungstabelle: 42 Einträge, 0 Fehler ✓",
    "TODO: remove this log line",
)


@lru_cache(maxsize=64)
def _bounds(size: int) -> tuple[int, ...]:
    """Upper bounds, of 2^32, of the ranks' shares 1/rank."""
    total = sum(1 / rank for rank in range(1, size + 1))
    seen, found = 0.0, []
    for rank in range(1, size + 1):
        seen += 1 / rank / total
        found.append(round(seen * (1 << 32)))
    return tuple(found)


def pick(pool: Sequence[T], *of: str | int) -> T:
    """An entry of the pool, the first ones more often; a function of what follows."""
    draw = derive("pick", *of) >> 32
    for entry, bound in zip(pool, _bounds(len(pool)), strict=True):
        if draw < bound:
            return entry
    return pool[-1]


def number(low: int, high: int, *of: str | int) -> int:
    """A whole number from low to high, both included; a function of what follows."""
    return low + derive("number", *of) % (high - low + 1)
