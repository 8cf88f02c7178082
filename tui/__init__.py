"""The control center: a Textual front end over the runners. Importing it loads nothing; `run_app` does."""

from __future__ import annotations

from pathlib import Path


def run_app(
    home: Path, *, database: str, environment: str, open_run: str | None = None, ascii_only: bool = False
) -> int:
    """Run the control center until the user leaves it; returns the exit code. Runs go on without it."""
    from tui.app import ControlCenter
    from tui.live_gateway import LiveGateway

    app = ControlCenter(LiveGateway(home, database), environment=environment, open_run=open_run, ascii_only=ascii_only)
    app.run()
    return app.return_code or 0
