"""The three looks as Textual themes."""

from __future__ import annotations

from textual.theme import Theme

from tui.render.look import THEMES


def textual_themes() -> list[Theme]:
    """One for each look, named `tb-<look>`."""
    return [_theme(name, colours) for name, colours in THEMES.items()]


def _theme(name: str, colours: dict[str, str]) -> Theme:
    return Theme(
        name=f"tb-{name}", primary=colours["accent"], secondary=colours["dim"], accent=colours["accent"], foreground=colours["text"],
        background=colours["bg"], surface=colours["surface"], panel=colours["raised"], success=colours["passed"], warning=colours["warn"],
        error=colours["failed"], dark=name != "light",
        variables={
            "input-cursor-background": colours["text"], "input-cursor-foreground": colours["bg"],
            "input-selection-background": colours["sel"], "block-cursor-background": colours["sel"], "block-cursor-foreground": colours["text"],
        },
    )  # fmt: skip
