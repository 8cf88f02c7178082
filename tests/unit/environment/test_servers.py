"""Which optional services an environment has, and who keeps which signal: from what was asked and what is there."""

from pathlib import Path
from typing import Any

import pytest

from runners.config.lookup import PROJECT
from runners.environment import inventory
from runners.environment.host.binaries import Binary, Broken
from runners.environment.host.programs import choose_services
from runners.environment.host.servers import Selection, Unprovidable, requirements, select

_loaded = inventory.load(PROJECT / "inventories" / "local").catalogue
assert _loaded is not None
CATALOGUE: dict[str, dict[str, Any]] = {name: entry.model_dump() for name, entry in _loaded.testbed_services.items()}
OPTIONAL = ("prometheus", "loki", "tempo", "alertmanager", "keycloak")


Found = dict[str, Binary | Broken | None]


def there(*names: str, chosen: bool = False) -> Found:
    """These are on PATH, or with `chosen` in TESTBED_BIN_DIR; the others are nowhere."""
    return {name: Binary(Path("/x"), "1", "/x", name, chosen) if name in names else None for name in OPTIONAL}


def choose(found: Found, stores: str = "auto", identity: str = "local", **more: Any) -> Selection:
    arguments: dict[str, Any] = {"frontend": True, **more}
    return select(CATALOGUE, list(CATALOGUE), found, stores=stores, identity=identity, **arguments)  # type: ignore[arg-type]


def test_nothing_but_the_platform_on_a_bare_machine_and_each_absence_has_its_reason() -> None:
    chosen = choose(there(), frontend=False)
    assert chosen.present == ("postgres", "redis", "backend", "ingest")
    assert set(chosen.stores.values()) == {"embedded"}
    assert chosen.absent["web"] == "the frontend is not built: make frontend"
    assert chosen.absent["loki"] == "no loki in TESTBED_BIN_DIR or on PATH: the embedded store keeps logs"
    assert "prometheus-alertmanager" in chosen.absent["alertmanager"]
    assert "--set identity=keycloak" in chosen.absent["keycloak"]


def test_a_prometheus_on_path_serves_alert_rules_and_is_no_store_unless_asked() -> None:
    chosen = choose(there("prometheus", "alertmanager"))
    assert {"prometheus", "alertmanager"} <= set(chosen.present)
    assert chosen.stores["metrics"] == "embedded"
    assert chosen.notes["prometheus"] == "alert rules; the embedded store keeps metrics"
    assert choose(there("prometheus"), "real").stores["metrics"] == "prometheus"


def test_what_lies_in_the_users_own_folder_was_meant() -> None:
    chosen = choose(there("prometheus", "loki", "tempo", chosen=True))
    assert chosen.stores == {"metrics": "prometheus", "logs": "loki", "traces": "tempo"}


def test_embedded_starts_no_store_but_prometheus_for_its_rules() -> None:
    chosen = choose(there(*OPTIONAL, chosen=True), "embedded")
    assert set(chosen.stores.values()) == {"embedded"}
    assert chosen.absent["loki"] == "stores=embedded: the embedded store keeps logs"
    assert "prometheus" in chosen.present


def test_real_takes_what_is_there_and_refuses_when_nothing_is() -> None:
    assert choose(there("loki"), "real").stores == {"metrics": "embedded", "logs": "loki", "traces": "embedded"}
    with pytest.raises(Unprovidable, match="none of prometheus, loki, tempo"):
        choose(there("alertmanager"), "real")


def test_what_is_broken_is_not_said_to_be_absent() -> None:
    broken = Broken(Path("/x/loki"), "libx.so.1: cannot open shared object file (exit status 127)")
    chosen = choose(there("tempo") | {"loki": broken})
    assert "loki" not in chosen.present
    assert chosen.absent["loki"] == f"{broken}: the embedded store keeps logs"
    with pytest.raises(Unprovidable, match=r"/x/loki is broken: libx\.so\.1"):
        choose(there() | {"loki": broken}, "real")


def test_keycloak_is_started_on_demand_alone_and_missing_then_is_an_error() -> None:
    assert "keycloak" not in choose(there("keycloak")).present
    assert "keycloak" in choose(there("keycloak"), identity="keycloak").present
    with pytest.raises(Unprovidable, match=r"no kc\.sh"):
        choose(there(), identity="keycloak")


def test_the_platform_requires_what_it_was_told_to_use() -> None:
    chosen = choose(there(*OPTIONAL), "real", "keycloak")
    needs = requirements(CATALOGUE, chosen, identity="keycloak")
    assert needs["ingest"] == ["postgres", "prometheus", "loki", "tempo"]
    assert needs["backend"] == ["postgres", "redis", "prometheus", "loki", "tempo", "keycloak"]
    assert needs["web"] == ["backend"]
    assert requirements(CATALOGUE, choose(there()), identity="local")["ingest"] == ["postgres"]


def test_only_the_backend_brings_its_stores_along_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("loki", "prometheus", "alertmanager"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{name}, version 3.4.5 (branch: x)'\n")
        program.chmod(0o755)
    monkeypatch.setenv("TESTBED_BIN_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    chosen, binaries = choose_services(CATALOGUE, ["backend"], stores="real", identity="local")
    assert set(chosen.present) == {"postgres", "redis", "backend", "loki", "prometheus"}
    assert binaries["loki"].version == "3.4.5"
    chosen, _ = choose_services(CATALOGUE, ["backend"], stores="embedded", identity="local")
    assert set(chosen.present) == {"postgres", "redis", "backend"}
    assert chosen.absent == {}


def test_an_environment_of_nothing_is_refused() -> None:
    with pytest.raises(Unprovidable, match=r"nothing is left .* loki: stores=embedded"):
        select(CATALOGUE, ["loki"], there("loki"), stores="embedded", identity="local", frontend=True)
