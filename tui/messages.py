"""What thread workers post to the app: they never touch a widget themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.message import Message

from tui.gateway import CampaignInfo, EnvironmentView, PageSource, RunRow


@dataclass
class RunsRead(Message):
    runs: list[RunRow]

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunsRead)


@dataclass
class EnvironmentRead(Message):
    view: EnvironmentView

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, EnvironmentRead)


@dataclass
class ResultsRead(Message):
    """source: None when the expression is wrong; error then says why."""

    expression: str
    source: PageSource | None
    error: str = ""


@dataclass
class DetailRead(Message):
    run: str
    detail: dict[str, Any]


@dataclass
class CampaignsRead(Message):
    campaigns: list[CampaignInfo]


@dataclass
class Launched(Message):
    run: str
    campaign: str


@dataclass
class Aborted(Message):
    """The answer to ABORT ALL; error is empty when everything was reverted and cancelled."""

    text: str
    error: str = ""


@dataclass
class Failed(Message):
    """A call to the outside did not work."""

    what: str
    why: str
