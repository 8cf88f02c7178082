"""A fault without effect is found out: the proof looks at the process, not at what the injection said."""

import os

import pytest

from runners.faults import tree
from runners.faults.kinds import Ineffective, catalogue
from runners.faults.record import Access, FaultRecord, Guards, Operation


@pytest.mark.parametrize("fault", sorted(catalogue()))
def test_a_process_that_was_not_touched_is_no_effect(fault: str) -> None:
    myself = tree.identify(os.getpid())
    assert myself is not None
    untouched = FaultRecord(
        id="f", run="r", environment="local", fault=fault, target="ingest", state="PLANNED", ttl_s=20,
        planned_at=1, deadline=21, deadline_boot=21, inject=(), revert=(Operation("supervisor", "start"),),
        guards=Guards("boot", "env", myself, myself, (myself,)), access=Access("unix:///s", "", "", "i", {}),
    )  # fmt: skip
    with pytest.raises(Ineffective):
        catalogue()[fault].effect(untouched)
