"""`testbed load run`: what is wrong is said before anything starts, and asking costs little."""

import subprocess
import sys
from pathlib import Path

import pytest

from runners.cli.main import main


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["brwose"], 2, "did you mean 'browse'"),
        (["browse", "--users", "0"], 2, "users: Input should be greater than 0"),
        (["browse", "--rate", "fast"], 2, "is not a rate"),
        (["browse", "--duration", "soon"], 64, "is not a duration"),
        (["browse", "--env", "nowhere"], 2, "nowhere"),
    ],
)
def test_bad_input_starts_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    home = tmp_path / "home"
    assert main(["--home", str(home), "load", "run", *arguments]) == code
    assert says in capsys.readouterr().err
    assert not (home / "runs").exists() or not list((home / "runs").iterdir())


def test_checking_a_scenario_loads_neither_gevent_nor_locust() -> None:
    program = (
        "import sys; from runners.config import lookup; from runners.load import scenario;"
        "scenario.load(lookup.find('scenarios', 'browse'));"
        "print([name for name in ('gevent', 'locust', 'httpx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
