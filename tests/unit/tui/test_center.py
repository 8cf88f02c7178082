"""The control center driven by keys, over a scripted gateway."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from runners.lib.home import Home
from tests.tape import START, write_run
from tui import messages
from tui.actions import ACTIONS, key_table
from tui.app import ControlCenter
from tui.gateway import CampaignInfo, EnvironmentView, GatewayError, Happening, RunRow, Tail
from tui.live_gateway import LiveGateway
from tui.screens.overlays import Help, Launch
from tui.screens.results import Detail, ResultsTable
from tui.screens.runs import RunsTable
from tui.widgets.chrome import TopBar
from tui.widgets.paint import Paint
from tui.widgets.ring_log import RingLog

DETAIL = {
    "run": "campaign-run", "campaign": "smoke", "verdict": "failed", "duration_s": 61.5, "tests": {"planned": 5, "passed": 3},
    "stages": [{"name": "audit", "suite": "data", "verdict": "failed", "state": "finished", "reason": "37 lost"}, {"name": "users", "suite": "load", "verdict": "passed", "state": "finished"}],
    "gates": [{"expr": "audit.lost == 0", "verdict": "failed", "value": 37}], "faults": [], "artifacts": [],
    "metrics": {"users.search.logs": {"unit": "s", "p50": 0.01, "p95": 0.028, "p99": 0.041}}, "ledger": None, "config": {}, "commit": "0f3c2d1",
}  # fmt: skip


class Pages(Sequence[RunRow]):
    def __init__(self, count: int) -> None:
        self.count = count
        self.asked: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: Any) -> Any:
        return RunRow(
            f"run-{place:06d}", "smoke", "local", "finished", "passed", START - place, 61.0, {"passed": 5, "planned": 5}
        )

    def rows(self, start: int, count: int) -> list[RunRow]:
        self.asked.append((start, count))
        return [self[place] for place in range(start, min(self.count, start + count))]


class Listed(Pages):
    """These rows."""

    def __init__(self, rows: list[RunRow]) -> None:
        super().__init__(len(rows))
        self._rows = rows

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]


class Scripted:
    """Answers at once, counts ABORTs, and tails the event files of a scripted run."""

    def __init__(self, home: Path, rows: Sequence[RunRow] = ()) -> None:
        self._live = LiveGateway(home, "sqlite://")
        self.rows, self.pages = list(rows), Pages(1000)
        self.aborted, self.launched, self.cancelled = 0, [], []  # type: ignore[var-annotated]
        self.let_abort_end = threading.Event()
        self.let_abort_end.set()

    def runs(self, limit: int = 200) -> list[RunRow]:
        return self.rows[:limit]

    def results(self, expression: str, newest_first: bool = True) -> Pages:
        if expression == "verdic == failed":
            raise GatewayError("column 1: unknown name 'verdic', nearest: verdict")
        return self.pages

    def detail(self, run: str) -> dict[str, Any]:
        return {**DETAIL, "run": run}

    def campaigns(self) -> list[CampaignInfo]:
        return [
            CampaignInfo("drill", "All kinds of stage.", ["a"], 25),
            CampaignInfo("drill-with-a-long-name", "Its own.", ["a"], 25),
            CampaignInfo("smoke", "Nothing may be lost.", ["a", "b"], 80),
        ]

    def environment(self, name: str) -> EnvironmentView:
        return EnvironmentView(name, "ready", 4, 4)

    def launch(self, campaign: str, environment: str) -> str:
        self.launched.append((campaign, environment))
        return "campaign-run"

    def cancel(self, run: str) -> None:
        self.cancelled.append(run)

    def abort_all(self) -> str:
        self.aborted += 1
        self.let_abort_end.wait(5)
        return "1 run cancelled · no fault is left"

    def report(self, run: str) -> str:
        return f"/r/{run}/report.html"

    def tail(self, run: str) -> Tail:
        return self._live.tail(run)


def painted(app: ControlCenter) -> str:
    """What stands on the screen, row by row."""
    rows: dict[int, str] = {}
    for widget in app.screen.query(Paint):
        region = widget.region
        if not widget.display or not region.height or not widget.is_on_screen:
            continue
        for offset in range(region.height):
            text = "".join(segment.text for segment in widget.render_line(offset))
            rows[region.y + offset] = rows.get(region.y + offset, "") + " " + text
    return "\n".join(rows[y] for y in sorted(rows))


async def settled(pilot: Pilot[None], want: str) -> str:
    """Wait until the text stands on the screen."""
    for _ in range(200):
        await pilot.pause(0.02)
        if want in (text := painted(pilot.app)):  # type: ignore[arg-type]
            return text
    raise AssertionError(f"{want!r} never appeared in:\n{text}")


@pytest.fixture
def scripted(tmp_path: Path) -> Scripted:
    run = write_run(Home(tmp_path))
    return Scripted(
        tmp_path,
        [RunRow(run, "smoke", "local", "finished", "passed", START, 61.5, {"planned": 5, "passed": 4}, "0f3c2d1")],
    )


SIZES = [(80, 24), (160, 48)]


@pytest.mark.parametrize("size", SIZES)
async def test_the_last_run_is_replayed_on_the_live_screen(scripted: Scripted, size: tuple[int, int]) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=size) as pilot:
        text = await settled(pilot, "campaign")
        assert "● ready" in text and "ABORT" in text
        await pilot.press("2")
        text = await settled(pilot, "search.logs")
        assert "Latency p95" in text and "▼" in text and "✔ passed" in text
        assert "audit.lost == 0" in text
        assert "finished" in text
        assert all(len(row) <= size[0] + 8 for row in text.splitlines())


async def test_the_clock_may_strike_before_the_parts_of_a_screen_are_there(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, "campaign")
        app.switch_mode("live")
        assert app.live is not None and app.screen_stack
        app.following.lines.clear()
        app.live.feed(Happening("telemetry", "log", START + 70, {"message": "a late word"}))
        app._tick()
        app.repaint_chrome()
        await settled(pilot, "Latency p95")
        assert app.screen.query_one(RingLog)


@pytest.mark.parametrize("size", SIZES)
async def test_a_run_that_only_writes_telemetry_is_watched_by_what_it_writes(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    run = write_run(Home(tmp_path), only="telemetry")
    name = "data generate production-day"
    app = ControlCenter(
        Scripted(
            tmp_path, [RunRow(run, name, "local", "finished", "passed", START, 61.5, {"planned": 1, "passed": 1})]
        ),
        environment="local",
    )
    async with app.run_test(size=size) as pilot:
        text = await settled(pilot, name if size[0] > 100 else "data generate prod")
        await pilot.press("2")
        text = await settled(pilot, "acknowledged items/s")
        assert "metrics" in text and "/s" in text
        assert "latency" not in text.lower() and "No operation" not in text
        assert "… lost" not in text and "audit …" not in text, "nothing more is to come"
        await pilot.press("z")
        await settled(pilot, "acknowledged items/s")


@pytest.mark.parametrize("where", ["runs", "live", "results", "help", "launch", "palette", "filter"])
async def test_abort_works_from_everywhere_and_exactly_once(scripted: Scripted, where: str) -> None:
    app = ControlCenter(scripted, environment="local")
    scripted.let_abort_end.clear()
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, "campaign")
        keys = {
            "runs": "1",
            "live": "2",
            "results": "3",
            "help": "question_mark",
            "launch": "n",
            "palette": "ctrl+p",
            "filter": "3",
        }
        await pilot.press(keys[where])
        if where == "filter":
            await pilot.press("slash")
        await pilot.pause()
        await pilot.press("f12", "f12", "ctrl+backslash")
        assert app.abort_text.startswith("ABORTING")
        scripted.let_abort_end.set()
        for _ in range(100):
            await pilot.pause(0.02)
            if app.abort_done:
                break
        assert app.abort_text.startswith("ABORTED  1 run cancelled")
        assert scripted.aborted == 1
        bar = app.screen_stack[0].query_one(TopBar)
        assert "ABORTED" in "".join(segment.text for segment in bar.render_line(0))


async def test_a_campaign_is_chosen_and_started_with_two_keys(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="staging")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, "campaign")
        await pilot.press("n")
        assert isinstance(app.screen, Launch)
        text = await settled(pilot, "testbed run smoke --env staging")
        assert "Nothing may be lost." in text and "drill-with-a-long-name  Its own." in text
        await pilot.press("enter")
        await settled(pilot, "Started smoke")
        assert scripted.launched == [("smoke", "staging")]


async def test_answers_from_outside_that_come_after_the_last_screen_are_dropped(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, "campaign")
    app.on_runs_read(messages.RunsRead([]))
    app.on_environment_read(messages.EnvironmentRead(EnvironmentView("local", "ready", 4, 4)))
    app.on_results_read(messages.ResultsRead("", None))


async def test_cancel_takes_the_chosen_run(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, "campaign")
        await pilot.press("x")
        await settled(pilot, "Cancelling")
        assert scripted.cancelled == ["campaign-run"]


async def test_results_read_only_the_pages_they_show(scripted: Scripted) -> None:
    scripted.pages = Pages(100_000)
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("3")
        await settled(pilot, "100,000")
        await pilot.press("end")
        await settled(pilot, "run-099999")
        table = app.screen.query_one(ResultsTable)
        assert table.cursor == 99_999
        assert len(scripted.pages.asked) <= 4
        await pilot.press("pageup", "pageup", "home")
        assert table.cursor == 0


async def test_a_wrong_filter_says_where_and_keeps_the_runs(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("3")
        await settled(pilot, "1,000")
        await pilot.press("slash", *"verdic == failed".replace(" ", "~").replace("~", " "), "enter")
        text = await settled(pilot, "cannot be read")
        assert "nearest: verdict" in text


async def test_detail_says_first_why_the_run_is_not_green(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(160, 48)) as pilot:
        await pilot.press("3")
        await settled(pilot, "gate audit.lost == 0")
        rows = app.screen.query_one(Detail).lines(62, 40)
        assert "✘" in "".join(text for text, _ in rows[1]) and "audit.lost == 0" in "".join(text for text, _ in rows[1])


async def test_at_80_columns_enter_opens_the_detail_and_esc_closes_it(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await settled(pilot, "1,000")
        await pilot.press("enter")
        await settled(pilot, "gate audit.lost == 0")
        await pilot.press("escape")
        await settled(pilot, "1,000")


async def test_help_is_that_of_the_focused_panel(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, "campaign")
        await pilot.press("2", "question_mark")
        assert isinstance(app.screen, Help)
        text = await settled(pilot, "log/linear")
        assert "F12" in text
        await pilot.press("escape")
        assert not isinstance(app.screen, Help)


async def test_zoom_keeps_the_chrome(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot, "campaign")
        await pilot.press("2")
        await settled(pilot, "search.logs")
        await pilot.press("z")
        await pilot.pause(0.1)
        text = painted(app)
        assert "ABORT" in text and "Latency p95" in text and "Ground truth" not in text
        await pilot.press("z")
        await settled(pilot, "Ground truth")


async def test_hostile_text_is_harmless(tmp_path: Path) -> None:
    run = write_run(Home(tmp_path), text="\x1b]0;x\x07\x1b[2J[red]")
    scripted = Scripted(tmp_path, [RunRow(run, "smoke", "local", "finished", "passed", START, 61.5)])
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot, "campaign")
        await pilot.press("2")
        text = await settled(pilot, "[red]")
        assert "\x1b" not in text


async def test_no_run_yet_says_what_to_do(tmp_path: Path) -> None:
    app = ControlCenter(Scripted(tmp_path), environment="local")
    async with app.run_test(size=(80, 24)) as pilot:
        text = await settled(pilot, "No run yet")
        assert "n starts one" in text


async def test_a_gateway_that_fails_is_said_and_does_not_end_the_app(scripted: Scripted) -> None:
    def broken(limit: int = 200) -> list[RunRow]:
        raise GatewayError("the database is newer than this program")

    scripted.runs = broken  # type: ignore[method-assign]
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, "newer than this program")


def test_every_action_has_a_key_a_text_and_a_line_in_the_key_table() -> None:
    table = key_table()
    for action in ACTIONS:
        assert action.key and action.text and action.shown in table
    assert len({(action.name, action.where) for action in ACTIONS}) == len(ACTIONS)


async def test_the_log_counts_what_it_forgets() -> None:
    from tui.state.live_run import LogLine

    log = RingLog("log", keep=100)
    log.touch = lambda: None  # type: ignore[method-assign]
    log.extend(LogLine(START, "info", "x", str(i)) for i in range(250))
    assert log.seen == 250 and len(log.ring) == 100
    assert any("150 forgotten" in text for text, _ in log.figures(120))


async def test_only_the_shown_mode_is_mounted(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, "campaign")
        assert isinstance(app.focused, RunsTable)
        assert len(app.screen_stack) == 1


async def test_the_path_of_a_report_is_copied_and_its_end_is_seen(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = ControlCenter(scripted, environment="local")
    monkeypatch.setattr(scripted, "report", lambda run: f"/a/long/way/{'x' * 70}/report/report.html")
    async with app.run_test(size=(80, 24)) as pilot:
        await settled(pilot, "campaign")
        await pilot.press("r")
        text = await settled(pilot, "/report/report.html")
        assert "copied" in text
        assert app.clipboard.endswith("/report/report.html") and app.clipboard.startswith("/a/long/way")


async def test_a_run_that_goes_on_waits_in_the_results_too(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    running = RunRow("run-1", "smoke", "local", "running", None, START, 0.2)
    monkeypatch.setattr(scripted, "results", lambda *_: Listed([running]))
    gates = [{"expr": "audit.lost == 0", "verdict": None, "value": None}]
    stages = [{"name": "audit", "suite": "data", "verdict": None, "state": "running"}]
    going = DETAIL | {"run": "run-1", "state": "running", "verdict": None, "gates": gates, "stages": stages}
    monkeypatch.setattr(scripted, "detail", lambda run: going)
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(160, 48)) as pilot:
        await settled(pilot, "campaign")
        await pilot.press("3")
        text = await settled(pilot, "gate audit.lost == 0")
        assert "○ waits" in text and "no verdict" not in text and "None" not in text


async def test_at_forty_rows_the_log_is_seen(scripted: Scripted) -> None:
    app = ControlCenter(scripted, environment="local")
    async with app.run_test(size=(120, 40)) as pilot:
        await settled(pilot, "campaign")
        await pilot.press("2")
        await settled(pilot, "search.logs")
        assert app.screen.query_one(RingLog).region.height >= 5
        assert app.screen.query_one("#latency").region.height >= 8
