"""What can be done with an environment, and what is known of it: the package's interface."""

from runners.environment.control import log, restart, verify
from runners.environment.down import down
from runners.environment.drift import drift
from runners.environment.renew import reset, rollback
from runners.environment.status import choices, lines, names, require_ready, status
from runners.environment.up import Up, up

__all__ = [
    "Up", "choices", "down", "drift", "lines", "log", "names", "require_ready", "reset", "restart", "rollback", "status",
    "up", "verify",
]  # fmt: skip
