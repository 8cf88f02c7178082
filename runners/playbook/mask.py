"""Keep generated secrets out of whatever leaves a playbook: events, log files, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

MASKED = "********"
SHORTEST = 8  # shorter values would mask ordinary words


class Mask:
    """Replaces secret values inside texts, however deep they lie. The values are asked for again when they may be new.

    What was a secret once stays one: a rollback removes them all, and then tells what went wrong, in a service's own words.
    """

    def __init__(self, values: Callable[[], Iterable[str]], version: Callable[[], object] = lambda: None) -> None:
        """values: the secrets as they are now; version: changes whenever `values` would give something else."""
        self._values, self._version = values, version
        self._known: object = object()
        self._secrets: list[str] = []

    def text(self, text: str) -> str:
        version = self._version()
        if version != self._known:
            found = {value for value in self._values() if len(value) >= SHORTEST} | set(self._secrets)
            self._secrets, self._known = sorted(found, key=len, reverse=True), version
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASKED)
        return text

    def value(self, value: Any) -> Any:
        """The same shape with every text masked."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.value(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(item) for item in value]
        return value


NOTHING = Mask(lambda: ())
