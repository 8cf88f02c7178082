"""What must not be loaded is not loaded: looked at in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "numpy",
    "textual",
    "rich",
    "sqlalchemy",
    "httpx",
    "locust",
    "gevent",
    "docker",
    "ansible_runner",
    "pydantic",
    "yaml",
)


def loaded(code: str) -> set[str]:
    """Top-level modules after this code ran."""
    script = f"import sys\n{code}\nprint('\\n'.join(sorted({{name.partition('.')[0] for name in sys.modules}})), file=sys.__stderr__)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["data", "generate", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    found = loaded(f"from runners.cli.main import main\ntry: main({arguments!r})\nexcept SystemExit: pass")
    assert not found & set(HEAVY)


def test_the_first_help_does_without_the_archives_of_shutil() -> None:
    assert not loaded("from runners.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass") & {
        "shutil",
        "lzma",
        "dataclasses",
    }


def test_a_scenario_is_checked_without_what_makes_telemetry() -> None:
    assert not loaded("import runners.datagen.scenario") & {"numpy", "google", "opentelemetry"}


@pytest.mark.parametrize(
    "module",
    [
        "runners.orchestrator.coordinator",
        "runners.report.service",
        "runners.environment.service",
        "runners.datagen.__main__",
        "runners.chaos.__main__",
        "runners.results.store",
    ],
)
def test_nothing_headless_loads_the_control_center(module: str) -> None:
    found = loaded(f"import importlib\nimportlib.import_module({module!r})")
    assert not found & {"textual", "tui"}  # rich comes along with httpx, whose own command line wants it


def test_the_platform_and_the_testbed_do_not_know_each_other() -> None:
    assert not loaded("import observastack.backend.app, observastack.ingest.app") & {"runners", "tui"}
    assert "observastack" not in loaded(
        "import runners.orchestrator.coordinator, runners.environment.service, runners.target"
    )


@pytest.mark.parametrize("given", [{}, {"PYDANTIC_DISABLE_PLUGINS": "one", "OPENBLAS_NUM_THREADS": "3"}])
def test_what_reads_a_users_file_has_no_plugins_unless_the_user_says_so(given: dict[str, str]) -> None:
    usual = {"PYDANTIC_DISABLE_PLUGINS": "__all__", "OPENBLAS_NUM_THREADS": "1"}
    code = "import os, runners; print(*(os.environ[name] for name in ('PYDANTIC_DISABLE_PLUGINS', 'OPENBLAS_NUM_THREADS')))"
    environ = {name: value for name, value in os.environ.items() if name not in usual}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ | given, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == list((given or usual).values())
