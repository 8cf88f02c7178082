"""Who and what is under test: the target profile, its operations, identities, tokens and client."""

from runners.target.client import Target, open_target
from runners.target.identities import Identities, Identity
from runners.target.marks import TENANT_MARK, mark_names, tenants_of
from runners.target.operation import Answer, Operation, PreparedRequest
from runners.target.profile import Profile
from runners.target.template import MissingVariable
from runners.target.tokens import LoginRefused, TokenSource
from runners.target.verify import Probe, Verification, verify

__all__ = [
    "TENANT_MARK", "Answer", "Identities", "Identity", "LoginRefused", "MissingVariable", "Operation", "PreparedRequest", "Probe",
    "Profile", "Target", "TokenSource", "Verification", "mark_names", "open_target", "tenants_of", "verify",
]  # fmt: skip
