"""Visual system: colour tokens of three themes, glyphs, and lines as lists of (text, token).

A token is `name[.b|.u|.i|.r]*[@background]`. Every text colour has a contrast of at least 4.5 : 1 on the background,
on the selected row and on the fault shade; a unit test keeps that. Glyphs are one cell wide, and no meaning is carried
by colour alone.
"""

from __future__ import annotations

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Piece = tuple[str, str]
Line = list[Piece]

THEMES: dict[str, dict[str, str]] = {
    "dark": {
        "bg": "#10141a", "surface": "#171d26", "raised": "#222b37", "sel": "#1d3a52", "rule": "#3b4757", "grid": "#2a3442",
        "text": "#dbe2ec", "dim": "#98a4b5", "accent": "#66c7ff", "passed": "#54d492", "failed": "#ff7a70", "warn": "#f7bd45",
        "invalid": "#c9a0ff", "fault": "#ff9f5a", "faultbg": "#2e2018", "on_accent": "#08131c", "on_failed": "#1c0604",
        "s1": "#66c7ff", "s2": "#ffbf5e", "s3": "#7ce3a4", "s4": "#ec93e8", "s5": "#e9e27a",
    },
    "light": {
        "bg": "#fcfbf8", "surface": "#f3f1eb", "raised": "#e7e4db", "sel": "#cfe4f7", "rule": "#a9a498", "grid": "#dcd8cd",
        "text": "#1b2129", "dim": "#555e6a", "accent": "#005a9e", "passed": "#0c6b38", "failed": "#b0221a", "warn": "#835400",
        "invalid": "#6a3aa8", "fault": "#a8430a", "faultbg": "#fbe9d9", "on_accent": "#ffffff", "on_failed": "#ffffff",
        "s1": "#005a9e", "s2": "#a35400", "s3": "#0c6b38", "s4": "#9c2390", "s5": "#5f6300",
    },
    "contrast": {
        "bg": "#000000", "surface": "#000000", "raised": "#262626", "sel": "#00395c", "rule": "#a8a8a8", "grid": "#4d4d4d",
        "text": "#ffffff", "dim": "#e2e2e2", "accent": "#5fe1ff", "passed": "#4dff9a", "failed": "#ff8a8a", "warn": "#ffe14d",
        "invalid": "#e0b8ff", "fault": "#ffb36b", "faultbg": "#3a1c00", "on_accent": "#000000", "on_failed": "#000000",
        "s1": "#5fe1ff", "s2": "#ffc04d", "s3": "#4dff9a", "s4": "#ff9df5", "s5": "#ffff66",
    },
}  # fmt: skip

# verdict -> (glyph, token, word). None: the run ended without one. "waiting": no value yet, and waiting is not green.
VERDICT: dict[str | None, tuple[str, str, str]] = {
    "passed": ("✔", "passed", "passed"), "failed": ("✘", "failed", "failed"), "invalid": ("?", "invalid", "not assessed"),
    None: ("⊘", "dim", "no verdict"), "holding": ("✔", "passed", "so far"), "failing": ("✘", "failed", "so far"),
    "waiting": ("○", "dim", "waits"),
}  # fmt: skip
STATE = {
    "queued": ("·", "dim"), "starting": ("◔", "accent"), "running": ("▶", "accent"), "paused": ("‖", "warn"),
    "finishing": ("◕", "accent"), "cancelling": ("◑", "warn"), "finished": ("■", "dim"), "cancelled": ("⊘", "dim"),
    "timed_out": ("◷", "failed"), "lost": ("∅", "failed"), "error": ("!", "failed"), "skipped": ("⊘", "invalid"),
}  # fmt: skip
HEALTH = {
    "ready": ("●", "passed"), "healthy": ("●", "passed"), "degraded": ("▲", "warn"), "provisioning": ("◔", "warn"),
    "starting": ("◔", "warn"), "failed": ("✘", "failed"), "unhealthy": ("✘", "failed"), "unknown": ("○", "dim"),
    "absent": ("·", "dim"),
}  # fmt: skip
LOG_LEVEL = {"info": ("·", "dim"), "warn": ("▲", "warn"), "error": ("✘", "failed")}
SERIES = (("●", "s1"), ("▲", "s2"), ("■", "s3"), ("◆", "s4"), ("✚", "s5"))
SPARK = "▁▂▃▄▅▆"  # never a full block, so that lines of a table do not merge

_ASCII = str.maketrans(
    "✔✘○⊘·◔▶‖◕■◑◷∅●▲▼▽◆✚▌›━─┈╌╍│┤└┊┃▾…–▁▂▃▄▅▆◂→▸↑↓×",
    "+x.-.o>:o#oto*^vv*+|>=-.-.||+.|v--_____=<>>^vx",
)


def to_ascii(text: str) -> str:
    """The same cells for terminals without Unicode: braille becomes `*`."""
    text = text.translate(_ASCII)
    return "".join(
        "*" if 0x2800 < ord(c) <= 0x28FF else " " if ord(c) == 0x2800 else c if ord(c) < 128 else "?" for c in text
    )


class Look:
    """The theme that is on, and whether glyphs must be ASCII. One per process: a terminal has one look."""

    theme = "dark"
    ascii_only = False


@lru_cache(maxsize=4096)
def _style(theme: str, token: str) -> Style:
    colours = THEMES[theme]
    fore, _, back = token.partition("@")
    name, *flags = fore.split(".")
    return Style(
        color=colours[name or "text"], bgcolor=colours[back or "bg"], bold="b" in flags or None,
        underline="u" in flags or None, italic="i" in flags or None, reverse="r" in flags or None,
    )  # fmt: skip


def style(token: str) -> Style:
    return _style(Look.theme, token)


def width(line: Line) -> int:
    return sum(len(text) for text, _ in line)


def fit(line: Line, cells: int, back: str = "") -> Line:
    """Exactly `cells` wide: cropped with an ellipsis or padded; `back` fills where a piece names no background."""
    result: Line = []
    room, total = cells, width(line)
    for text, token in line:
        token = f"{token}@{back}" if back and "@" not in token else token
        if len(text) >= room and total > cells:
            result.append((text[: room - 1] + "…" if room else "", token))
            room = 0
            break
        result.append((text, token))
        room -= len(text)
    if room > 0:
        result.append((" " * room, f"text@{back}" if back else "text"))
    return result


def strip(line: Line, cells: int) -> Strip:
    """A line as Textual paints it."""
    change = to_ascii if Look.ascii_only else str
    return Strip([Segment(change(text), style(token)) for text, token in fit(line, cells) if text], cells)


def join(left: Line, right: Line, cells: int, fill: Piece = (" ", "text")) -> Line:
    """Left text, right text, filled between; the left side is cropped first."""
    room = cells - width(right)
    if width(left) > room - 1:
        left = fit(left, max(0, room - 1))
    return [*left, (fill[0] * max(0, room - width(left)), fill[1]), *right]


def bar(share: float, cells: int, full: str = "━", token: str = "accent", rest: str = "grid") -> Line:
    done = max(0, min(cells, round(share * cells)))
    return [(full * done, token), (full * (cells - done), rest)]


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two `#rrggbb` colours (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
