"""An operation of a target: how to ask for it and where the answer lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode, urljoin

from runners.target import jsonpath, shape, template
from runners.target.canonical import CANONICAL
from runners.target.profile import OperationTemplate, Request

_SOURCES = {
    "search.logs": "logs", "search.traces": "traces", "search.metrics": "metrics", "logs.query": "logs",
    "traces.get": "traces", "traces.logs": "logs",
}  # fmt: skip
"""What an item is that does not say so itself, by the operation that answers it."""


@dataclass(frozen=True)
class PreparedRequest:
    """Ready to be sent. Headers may carry a token: they stay out of the repr, and out of logs and events.
    content: a body that is not JSON."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    json: Any = field(default=None, repr=False)
    content: str | None = field(default=None, repr=False)

    def with_header(self, name: str, value: str) -> PreparedRequest:
        return replace(self, headers={**self.headers, name: value})


@dataclass(frozen=True)
class Answer:
    """json: None when the body is not JSON. latency_s: from sending to the last byte."""

    status: int
    json: Any
    latency_s: float
    text: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Operation:
    """A canonical operation as this target does it."""

    name: str
    template: OperationTemplate
    base: str

    @property
    def role(self) -> str:
        """The canonical role whose identity does it; empty for nobody's."""
        return CANONICAL[self.name].role if self.template.role is None else self.template.role

    @property
    def writes(self) -> bool:
        return CANONICAL[self.name].writes

    @property
    def variables(self) -> set[str]:
        """Names that `request` must be given."""
        return self.template.variables

    @property
    def mentions(self) -> set[str]:
        """Names that `request` can be given, the optional ones included."""
        return self.template.mentions

    def request(self, **variables: Any) -> PreparedRequest:
        """Raises template.MissingVariable."""
        return prepare(self.template, self.base, variables)

    def succeeded(self, answer: Answer) -> bool:
        return answer.status in self.template.status if self.template.status else answer.ok

    def items(self, answer: Answer) -> list[Any] | None:
        """The list the answer carries, in the canonical shape; None when the profile names none or it is not there."""
        if self.template.items is None or answer.json is None:
            return None
        found = jsonpath.parse(self.template.items).items(answer.json)
        return None if found is None else [self.shaped(item) for item in found]

    def shaped(self, item: Any) -> Any:
        """One item, as this operation answers it, in the canonical shape."""
        return shape.canonical(item, self.template.item, _SOURCES.get(self.name))

    def next_cursor(self, answer: Answer) -> str | None:
        """The cursor of the page that follows; None at the end, or when the profile does not say where it lies."""
        found = None if self.template.next is None else jsonpath.parse(self.template.next).value(answer.json)
        return None if found is None else str(found)


def prepare(request: Request, base: str, variables: Mapping[str, Any]) -> PreparedRequest:
    """Fill a request template. base: the URL that a path belongs to. Raises template.MissingVariable."""
    path = template.fill_path(request.path, variables)
    url = path if "://" in path else urljoin(base.rstrip("/") + "/", path.lstrip("/"))
    if request.query:
        url += "?" + urlencode(template.fill(request.query, variables), doseq=True)
    headers = {name: str(template.fill(value, variables)) for name, value in request.headers.items()}
    body = None if request.body is None else template.fill(request.body, variables)
    return PreparedRequest(request.method, url, headers, body)
