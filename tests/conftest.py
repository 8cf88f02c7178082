"""What holds for all tests of the testbed."""

from __future__ import annotations

from hypothesis import settings

# Machines that run tests are shared: how long one example took says nothing.
settings.register_profile("shared", deadline=None)
settings.load_profile("shared")
