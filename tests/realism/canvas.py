"""Drawing: SVG by hand, photographed by the machine's Chromium. Nothing is installed for it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

INK, MUTED, RULE, PAPER = "#16181d", "#5b6270", "#dfe2e7", "#ffffff"
BLUE, PALE, RED, AMBER, GREEN = "#164f9c", "#dfe9f6", "#a61b1b", "#b45f06", "#0b6b4a"
SERVICES = (
    "#164f9c", "#0b7285", "#0b6b4a", "#5c7c0f", "#b45f06", "#c2185b", "#9c2a6b", "#6741a5", "#3f51b5", "#495057",
    "#8d5a2b", "#2b8a8a",
)  # fmt: skip
_FONT = "Inter, 'DejaVu Sans', sans-serif"


class Canvas:
    """A picture in the making. width, height: in pixels, before it is doubled."""

    def __init__(self, width: int, height: int, title: str = "", subtitle: str = "") -> None:
        self.width, self.height = width, height
        self._parts: list[str] = []
        if title:
            self.text(32, 40, title, size=20, weight=700)
            self.text(32, 63, subtitle, size=13, fill=MUTED)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        fill: str = INK,
        anchor: str = "start",
        weight: int = 400,
    ) -> None:
        """y: of the base line."""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}"'
            f' font-weight="{weight}">{escape(text)}</text>'
        )

    def pair(self, x: float, y: float, first: str, second: str) -> None:
        """A name, and after it what more there is to say."""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="12" fill="{INK}" font-weight="600">{escape(first)}'
            f'<tspan dx="7" font-size="11.5" font-weight="400" fill="{MUTED}">{escape(second)}</tspan></text>'
        )

    def rect(
        self, x: float, y: float, width: float, height: float, fill: str, *, round_: float = 0, opacity: float = 1
    ) -> None:
        edges = "auto" if round_ else "crispEdges"
        self._parts.append(
            f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(width, 0.5):.2f}" height="{height:.2f}" rx="{round_}" fill="{fill}"'
            f' fill-opacity="{opacity:.3f}" shape-rendering="{edges}"/>'
        )

    def line(
        self, points: Iterable[tuple[float, float]], stroke: str = RULE, *, width: float = 1, dash: str = ""
    ) -> None:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{width}" stroke-linejoin="round"{dashed}/>'
        )

    def area(self, points: Sequence[tuple[float, float]], floor: float, fill: str = PALE) -> None:
        """Between a line and the floor."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in [(points[0][0], floor), *points, (points[-1][0], floor)])
        self._parts.append(f'<polygon points="{path}" fill="{fill}"/>')

    @property
    def page(self) -> str:
        """As a document for the browser."""
        return (
            f'<!doctype html><meta charset="utf-8"><style>html,body{{margin:0;background:{PAPER}}}</style>'
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}"'
            f' font-family="{_FONT}" style="display:block">{"".join(self._parts)}</svg>'
        )


def photograph(page: str, width: int, height: int, path: Path, *, scale: float = 2) -> None:
    """Render the document to a PNG. Raises RuntimeError without Chromium."""
    browser = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if browser is None:
        raise RuntimeError("pictures need Chromium on PATH")
    with tempfile.TemporaryDirectory() as folder:
        document = Path(folder) / "picture.html"
        document.write_text(page)
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/profile",
                f"--force-device-scale-factor={scale}", f"--window-size={width},{height}", f"--screenshot={path}",
                document.as_uri(),
            ],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
