"""Whose tokens count: the issuer's keys and the one way in which both backend and gateway check a token."""
