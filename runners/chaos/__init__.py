"""The chaos suite: Chaos Toolkit experiments, run by chaostoolkit-lib, with faults that are always undone."""
