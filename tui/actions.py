"""The one registry of actions: keys, help, palette, key documentation and CLI equivalents all come from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Action:
    """name: the Textual action; key: as Textual spells it; shown: as people read it; cli: the same from a shell."""

    name: str
    key: str
    shown: str
    group: str
    text: str
    cli: str
    where: str = "everywhere"


ACTIONS = (
    Action("mode('runs')", "1", "1", "view", "Runs", "testbed results list"),
    Action("mode('live')", "2", "2", "view", "Live", "testbed attach RUN"),
    Action("mode('results')", "3", "3", "view", "Results", "testbed results list --filter EXPR"),
    Action("copy", "y", "y", "view", "Copy the equivalent command", ""),
    Action("help", "question_mark", "?", "view", "Help of the focused panel", "testbed --help"),
    Action("palette", "ctrl+p,colon", "^p :", "view", "Command palette", ""),
    Action("jump", "ctrl+o", "^o", "view", "Jump to a panel by its letter", ""),
    Action("zoom", "z", "z", "view", "Zoom the focused panel", ""),
    Action("theme", "T", "T", "view", "Theme: dark, light, contrast", ""),
    Action("leave", "q", "q", "view", "Leave; runs go on", ""),
    Action(
        "abort_all",
        "f12,ctrl+backslash",
        "F12 ^\\",
        "ABORT",
        "Revert faults, cancel runs, now",
        "testbed cancel --all",
    ),
    Action("launch", "n", "n", "run", "New run from a campaign", "testbed run CAMPAIGN", "runs"),
    Action("cancel", "x", "x", "run", "Cancel the chosen run", "testbed cancel RUN", "runs live"),
    Action("open", "enter", "enter", "run", "Open the chosen run", "testbed results show RUN", "runs results"),
    Action("report", "r", "r", "run", "Write the report of the chosen run", "testbed report RUN", "runs results"),
    Action("scale", "g", "g", "live", "Latency axis: logarithmic or linear", "", "live"),
    Action("freeze", "space", "space", "live", "Freeze and go on", "", "live"),
    Action("follow", "s", "s", "log", "Follow the end", "testbed attach RUN", "live"),
    Action("wrap", "w", "w", "log", "Show long lines whole", "", "live"),
    Action("next_error", "e", "e", "log", "Next warning or error", "", "live"),
    Action(
        "filter", "slash", "/", "results", "Filter by an expression", "testbed results list --filter EXPR", "results"
    ),
    Action("sort", "o", "o", "results", "Newest or oldest first", "testbed results list --sort", "results"),
)


def key_table() -> str:
    """docs/keys.md, generated."""
    lines = [
        "# Keys of the control center",
        "",
        "Generated from `tui/actions.py`.",
        "",
        "| key | where | what | the same from a shell |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{a.shown}` | {a.where} | {a.text} | {f'`{a.cli}`' if a.cli else ''} |" for a in ACTIONS]
    return "\n".join(lines) + "\n"
