"""Deployments to test the testbed on that are not the reference platform."""
