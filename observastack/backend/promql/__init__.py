"""PromQL on the embedded store: compile the text, say which series it needs, evaluate it. Pure but for `storage`."""
