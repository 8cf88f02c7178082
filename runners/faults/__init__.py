"""Faults, their journal and their watchdog. Standard library and runners.lib only: it is copied to remote hosts."""
