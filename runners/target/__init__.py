"""Who and what is under test: the target profile, its operations, identities, tokens and client."""

from runners.target.client import Target, open_target
from runners.target.identities import Identities, Identity
from runners.target.operation import Answer, Operation, PreparedRequest
from runners.target.profile import Profile
from runners.target.template import MissingVariable
from runners.target.tokens import LoginRefused, TokenSource
from runners.target.verify import Probe, Verification, verify

__all__ = [
    "Answer", "Identities", "Identity", "LoginRefused", "MissingVariable", "Operation", "PreparedRequest", "Probe",
    "Profile", "Target", "TokenSource", "Verification", "open_target", "verify",
]  # fmt: skip
