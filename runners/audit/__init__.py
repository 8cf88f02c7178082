"""Audit: what a ledger says was sent, held against what the platform gives back, item by item."""
