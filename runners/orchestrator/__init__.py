"""Campaigns: what to do, in which order, under whose supervision, and with which verdict.

Every decision is computed from files and kernel locks, so any process may die at any moment and its successor decides
the same. The results database is a mirror. See docs/concepts for the words and `shim` and `coordinator` for the rules.
"""
