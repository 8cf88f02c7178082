"""Where in a service's source an operation lives: names of functions, files and lines, the same in every trace."""

from __future__ import annotations

import re
from typing import NamedTuple

from runners.datagen.formats.pools import number


class Place(NamedTuple):
    """words: of the operation, in lower case; line: from 1."""

    words: tuple[str, ...]
    line: int

    @property
    def snake(self) -> str:
        return "_".join(self.words)

    @property
    def pascal(self) -> str:
        return "".join(word.capitalize() for word in self.words)

    @property
    def camel(self) -> str:
        return self.pascal[:1].lower() + self.pascal[1:]


def place(service: str, operation: str, depth: int = 0) -> Place:
    """Of an operation such as `GET /products/{id}`. depth: how many calls below the handler."""
    words = tuple(re.findall(r"[a-z0-9]+", operation.lower())) or ("handle",)
    return Place(words, number(20, 480, "line", service, operation, depth))
