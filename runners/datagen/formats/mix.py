"""Which service writes in which format: a service keeps to one, as in life; gateways and databases have their own."""

from __future__ import annotations

from functools import lru_cache

from runners.ledger.identity import derive

Mix = tuple[tuple[str, float], ...]
"""Weights by the name of a format, to be hashed."""
USUAL: Mix = ()
APPLICATION = ("json", "logfmt", "plain", "klog", "rfc5424")
_USUAL: dict[str, tuple[str, ...]] = {
    "go": ("logfmt", "json", "klog"),
    "java": ("plain", "json"),
    "python": ("plain", "json"),
    "nodejs": ("json",),
    "dotnet": ("json", "plain"),
    "rust": ("logfmt", "rfc5424"),
}


@lru_cache(maxsize=4096)
def format_of(mix: Mix, service: str, language: str) -> str:
    """The format of a service's own lines. mix: weights; without a weight for any of these, what its language is used to."""
    given = dict(mix)
    weights = {name: given.get(name, 0.0) for name in APPLICATION}
    if not any(weights.values()):
        usual = _USUAL.get(language, ("json",))
        return usual[derive("format", service) % len(usual)]
    left = (derive("format", service) >> 32) / (1 << 32) * sum(weights.values())
    for name, weight in weights.items():
        left -= weight
        if left < 0:
            return name
    return next(name for name, weight in reversed(weights.items()) if weight)
