"""Benchmarks: ratios against a reference that is measured in the same run, round by round, interleaved."""
