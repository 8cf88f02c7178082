"""A small observability platform that shares nothing with the reference one but what it is for.

API keys instead of sign-ins, other paths, another envelope, other names for everything, items in memory. It keeps what it
acknowledges, in one process, and is described to the testbed by target.yml alone.
"""
