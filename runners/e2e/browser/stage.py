"""A browser for the journeys: the machine's Chromium, a fresh context each, and what is kept of a failure."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from runners.e2e.browser.redaction import redact
from runners.e2e.browser.scratch import scratch
from runners.e2e.journey import Absent, Unassessed
from runners.lib.text import one_line
from runners.target import Target

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE_MS = 15_000
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# Without these, a browser looks for updates and hosts of its maker at every start.
_ARGUMENTS = (
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


class Stage:
    """An open browser, and where the pages are."""

    def __init__(self, browser: Browser, url: str, secrets: Collection[str] = ()) -> None:
        """secrets: passwords and tokens that nothing which is kept may show."""
        self._browser, self.url, self._secrets = browser, url, secrets

    @property
    def alive(self) -> bool:
        """Whether the browser is still there: without it nothing can be said about the pages."""
        return self._browser.is_connected()

    @contextlib.contextmanager
    def page(self) -> Iterator[Page]:
        """A page of its own context: nothing is remembered from others."""
        context = self._browser.new_context(base_url=self.url, viewport={"width": 1440, "height": 900}, locale="en-GB")
        context.set_default_timeout(PATIENCE_MS)
        context.tracing.start(screenshots=True, snapshots=True)
        try:
            yield context.new_page()
        finally:
            with contextlib.suppress(Exception):
                context.close()

    def keep(self, page: Page, name: str, artifacts: Path) -> Iterator[tuple[Path, str]]:
        """What the page looks like and how it came to that, as (file, kind). The trace as recorded holds the password that
        was typed and every token: it never lies among the artifacts, only what is left of it when these are out."""
        picture, trace = artifacts / f"{name}.png", artifacts / f"{name}.trace.zip"
        with contextlib.suppress(Exception):
            page.screenshot(path=picture, full_page=True)
            yield picture, "screenshot"
        with contextlib.suppress(Exception), tempfile.TemporaryDirectory(prefix="testbed-trace-") as folder:
            recorded = Path(folder) / "trace.zip"
            page.context.tracing.stop(path=recorded)
            redact(recorded, trace, self._secrets)
            yield trace, "browser_trace"


def program() -> str | None:
    """The Chromium of this machine: TESTBED_BROWSER, else on PATH."""
    chosen = os.environ.get("TESTBED_BROWSER")
    return shutil.which(chosen) if chosen else next(filter(None, map(shutil.which, _PROGRAMS)), None)


@contextlib.contextmanager
def stage(target: Target) -> Iterator[Stage]:
    """Raises Absent where there are no pages, none that this suite can drive, or no browser; Unassessed when it does not
    start."""
    url = target.urls.get("ui")
    if url is None:
        raise Absent(f"target {target.name} has no pages (urls.ui)")
    if target.profile.frontend is None:
        raise Absent(f"the profile of target {target.name} does not say whose pages they are (frontend)")
    if (executable := program()) is None:
        raise Absent("no Chromium is on this machine; install chromium, or name one in TESTBED_BROWSER")
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise Absent("the package playwright is not installed (extra `browser`)") from None
    arguments = [*_ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with scratch(), sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        except Error as error:
            raise Unassessed(f"{executable} does not start: {one_line(str(error), 160)}") from None
        secrets = {text for user in target.identities.users for text in (user.password, user.token) if text}
        try:
            yield Stage(browser, url, secrets)
        finally:
            with contextlib.suppress(Error):  # it may have died
                browser.close()
