"""Probes that watch a target from outside at a fixed cadence, and what their series say about an outage."""

from runners.probes.attempt import Attempt, Outcome
from runners.probes.prober import Prober
from runners.probes.recovery import Recovery, assess
from runners.probes.requests import HealthRequest, Request, WriteRequest

__all__ = ["Attempt", "HealthRequest", "Outcome", "Prober", "Recovery", "Request", "WriteRequest", "assess"]
