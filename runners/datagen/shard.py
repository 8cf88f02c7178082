"""Shards: disjoint parts of one run, made by as many processes. What a request says does not depend on how many they are."""

from __future__ import annotations

from typing import NamedTuple


class Shard(NamedTuple):
    """Part number `part` of `of`. All signals of a tenant's tick are of one part: they come from the same requests."""

    part: int = 0
    of: int = 1

    def takes(self, tenant: int, tick: int, tenants: int) -> bool:
        """Is this tick of this tenant in the part? tenants: how many the run has."""
        return (tick * tenants + tenant) % self.of == self.part


WHOLE = Shard()
