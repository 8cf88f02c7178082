"""Environments: what is provisioned, what state it is in, and how it comes and goes."""
