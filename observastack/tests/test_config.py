"""The configuration file and the defect registry: wrong input is named, nothing starts."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from observastack import config as configuration
from observastack import defects
from observastack.errors import ConfigError
from observastack.ingest.__main__ import main
from observastack.tests.platform import write_config


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_config(tmp_path, "postgresql://postgres@127.0.0.1:5432/postgres")


@pytest.fixture
def switched_off(file: Path) -> Iterator[None]:
    yield
    defects.configure(configuration.load(file, environ={}))


def change(file: Path, dotted: str, value: Any) -> Path:
    document = json.loads(file.read_text())
    *path, last = dotted.split(".")
    node = document
    for name in path:
        node = node[name]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    file.write_text(json.dumps(document))
    return file


def test_the_contract_s_file_is_read_with_defaults(file: Path) -> None:
    config = configuration.load(file, environ={})
    assert (config.environment, config.ingest.writers, config.ingest.max_body_bytes) == ("test", 2, 16 << 20)
    assert config.database.connection("read")["user"] == "obs_read"
    assert "password" not in config.database.connection("read")
    assert config.file == file


@pytest.mark.parametrize(
    ("dotted", "value", "message"),
    [
        ("ingest.writer", 2, "unknown key ingest.writer"), ("ingest.port", "4318", "ingest.port must be a whole number, found str"),
        ("ingest.port", True, "ingest.port must be a whole number, found bool"), ("ingest.port", -1, "ingest.port must be not negative"),
        ("database.read", ..., "database.read is missing"), ("auth", [], "auth must be an object, found list"),
        ("cors_origins", ["a", 1], r"cors_origins\[1\] must be a text, found int"), ("file", "x", "unknown key file"),
        ("identities_file", "", "identities_file must be a path"), ("test_data_api", "yes", "test_data_api must be true or false"),
        ("defects", ["drop_acked_1pc"], "did you mean drop_acked_1pct"), ("defects", ["nonsense"], "unknown defect 'nonsense'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(file: Path, dotted: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configuration.load(change(file, dotted, value), environ={})


def test_a_real_store_needs_its_addresses(file: Path) -> None:
    change(file, "stores", {"traces": "tempo", "tempo_url": "http://127.0.0.1:3200"})
    with pytest.raises(ConfigError, match=r"stores\.tempo_otlp is missing"):
        configuration.load(file, environ={})
    change(file, "stores", {"traces": "tempo", "tempo_url": "http://127.0.0.1:3200", "tempo_otlp": "127.0.0.1:4317"})
    stores = configuration.load(file, environ={}).stores
    assert (stores.logs, stores.traces, stores.timeout_s) == ("embedded", "tempo", 5.0)


def test_an_adapter_that_does_not_exist_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"stores\.logs is 'tempo'"):
        configuration.load(change(file, "stores", {"logs": "tempo", "tempo_url": "http://127.0.0.1:1"}), environ={})


def test_errors_show_types_and_never_values(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        configuration.load(change(file, "ingest.port", "hunter2"), environ={})
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_missing_or_no_json_ends_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--config", str(tmp_path / "absent.json")]) == 2
    (tmp_path / "broken.json").write_text("{")
    assert main(["--config", str(tmp_path / "broken.json")]) == 2
    errors = capsys.readouterr().err
    assert "absent.json: cannot be read" in errors
    assert "broken.json: is not JSON" in errors
    assert "Traceback" not in errors


def test_defects_add_up_and_are_refused_in_production(file: Path, switched_off: None) -> None:
    change(file, "defects", ["list_leak"])
    config = configuration.load(file, environ={"OBSERVASTACK_DEFECTS": "dup_on_retry, list_leak"})
    assert config.defects == ("list_leak", "dup_on_retry")
    defects.configure(config)
    assert defects.active("list_leak")
    assert not defects.active("health_lies")

    change(file, "environment", "production")
    change(file, "test_data_api", False)
    with pytest.raises(ConfigError, match="refused in production"):
        configuration.load(file, environ={})
    with pytest.raises(ConfigError, match="refused in production"):
        configuration.load(change(file, "defects", []), environ={"OBSERVASTACK_DEFECTS": "slow_search"})
    assert configuration.load(file, environ={}).defects == ()


def test_the_test_data_api_is_refused_in_production(file: Path) -> None:
    with pytest.raises(ConfigError, match="test_data_api is on in production"):
        configuration.load(change(file, "environment", "production"), environ={})


@pytest.mark.parametrize("environment", ["Production", "PRODUCTION", "prod", "production "])
def test_production_is_production_however_it_is_written(file: Path, environment: str) -> None:
    with pytest.raises(ConfigError, match="test_data_api is on in production"):
        configuration.load(change(file, "environment", environment), environ={})
    with pytest.raises(ValueError, match="refused in production"):
        defects.check(["list_leak"], environment)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_is_refused(file: Path, number: float) -> None:
    """Python's JSON reads NaN and Infinity."""
    with pytest.raises(ConfigError, match=r"limits\.stream_tenant_share must be a finite number"):
        configuration.load(change(file, "limits", {"stream_tenant_share": number}), environ={})


def test_a_misspelt_defect_in_the_code_is_an_error_and_not_off() -> None:
    with pytest.raises(KeyError):
        defects.active("list_leek")


def test_a_secret_that_cannot_be_read_is_named(file: Path, tmp_path: Path) -> None:
    change(file, "database.read", {"user": "obs_read", "password_file": str(tmp_path / "absent")})
    with pytest.raises(ConfigError, match="absent: the secret cannot be read"):
        configuration.load(file, environ={}).database.connection("read")


def test_a_public_key_that_is_none_is_named(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "jwt_public.pem").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    assert main(["--config", str(file)]) == 2
    assert "jwt_public.pem: the public key cannot be read" in capsys.readouterr().err


def test_each_defect_has_a_name_of_its_own_and_a_place_in_the_code() -> None:
    package = Path(defects.__file__).parent
    written = Counter(re.findall(r'Defect\(\s*"(\w+)"', Path(defects.__file__).read_text()))
    assert {name for name, count in written.items() if count > 1} == set()
    assert set(written) == set(defects.REGISTRY) and len(written) >= 40
    asked: Counter[str] = Counter()
    for file in package.rglob("*.py"):
        if "tests" not in file.relative_to(package).parts:
            asked.update(set(re.findall(r'active\("(\w+)"\)', file.read_text())))
    assert set(written) - set(asked) == set()
