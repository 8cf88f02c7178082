"""The manual's links lead somewhere, and its generated parts are what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tui.actions import key_table

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_inside_the_repository_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_key_table_is_generated() -> None:
    assert (ROOT / "docs" / "keys.md").read_text() == key_table(), (
        "write docs/keys.md anew from tui.actions.key_table()"
    )


def test_the_table_of_defects_is_generated() -> None:
    from observastack.defects import table

    assert (ROOT / "docs" / "defects.md").read_text() == table(), (
        "write docs/defects.md anew: python -m observastack.defects"
    )


def test_pages_about_playbooks_and_services_are_generated() -> None:
    from runners.environment.reference import pages

    for page, text in pages().items():
        assert page.read_text() == text, f"write {page.name} anew: python -m runners.environment.reference"


def test_every_dependency_has_its_reason() -> None:
    import tomllib

    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    for project in (ROOT / "pyproject.toml", ROOT / "observastack" / "pyproject.toml"):
        for requirement in tomllib.loads(project.read_text())["project"]["dependencies"]:
            name = re.split(r"[\[><=,; ]", requirement)[0]
            assert name in reasons, f"{name} has no row in docs/dependencies.md"


def test_commands_in_the_manual_exist() -> None:
    from runners.cli.main import build_parser

    text = build_parser().format_help()
    for page in PAGES:
        for command in re.findall(r"^(?:\.venv/bin/)?testbed ([a-z0-9]+)", page.read_text(), re.MULTILINE):
            assert re.search(rf"^    {command}\b", text, re.MULTILINE), f"{page.name}: testbed {command}"
