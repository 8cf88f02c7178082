"""Everything of the testbed that runs without a terminal UI."""
