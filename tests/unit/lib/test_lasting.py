"""What is made at the start of a process is left alone by the garbage collector; what comes later is not."""

from __future__ import annotations

import gc

import pytest

from runners.lib.lasting import lasting


@pytest.mark.parametrize("fails", [False, True])
def test_the_collector_rests_meanwhile_and_works_again_afterwards(fails: bool) -> None:
    before = gc.get_freeze_count()
    try:
        with lasting():
            assert not gc.isenabled()
            kept = [[number] for number in range(100)]
            if fails:
                raise ImportError
    except ImportError:
        pass
    try:
        assert gc.isenabled()
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()
