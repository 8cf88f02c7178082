"""Generated secrets: modes, identities, what is kept and what is masked."""

import json
import stat
from pathlib import Path

import pytest

from runners.environment.host import secrets

TENANTS = {"acme": "Acme", "globex": "Globex", "initech": "Initech"}


def test_everything_is_private_and_a_second_call_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert "jwt_private.pem" in secrets.generate(folder, ["postgres"], TENANTS)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert secrets.generate(folder, ["postgres"], TENANTS) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_opened_file_gets_its_mode_back(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    secrets.generate(folder, ["redis"], TENANTS)
    (folder / "redis_password").chmod(0o644)
    assert secrets.generate(folder, ["redis"], TENANTS) == ["redis_password"]
    assert stat.S_IMODE((folder / "redis_password").stat().st_mode) == 0o600


def test_identities_cover_every_role_of_every_tenant_and_the_negatives() -> None:
    users = secrets.identities_document(TENANTS, {})["users"]
    have = {(user["tenant"], role) for user in users if user["kind"] == "test" for role in user["roles"]}
    assert have == {(tenant, role) for tenant in TENANTS for role in secrets.TENANT_ROLES} | {(None, "admin")}
    negatives = [user for user in users if user["kind"] == "negative"]
    assert sorted((user["enabled"], str(user["tenant"])) for user in negatives) == [
        (False, "acme"), (True, "None"), (True, "['acme', 'globex']"),
    ]  # fmt: skip
    assert len({user["password"] for user in users}) == len(users)


def test_passwords_of_known_users_are_kept_when_a_tenant_is_added() -> None:
    first = secrets.identities_document({"acme": "Acme", "globex": "Globex"}, {})
    second = secrets.identities_document(TENANTS, first)
    before = {user["username"]: user["password"] for user in first["users"]}
    after = {user["username"]: user["password"] for user in second["users"]}
    assert before.items() <= after.items()


def test_values_to_mask_include_passwords_and_the_private_key_but_not_the_public_one(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    secrets.generate(folder, ["postgres"], TENANTS)
    values = secrets.values(folder)
    users = json.loads((folder / "identities.json").read_text())["users"]
    assert (folder / "postgres_password").read_text() in values
    assert {user["password"] for user in users} <= set(values)
    assert set(json.loads((folder / "alert_webhook_tokens.json").read_text()).values()) < set(values)
    assert (folder / "jwt_private.pem").read_text().splitlines()[3] in values
    assert (folder / "jwt_public.pem").read_text().splitlines()[1] not in values


def test_each_tenant_has_a_webhook_token_of_its_own_which_is_kept(tmp_path: Path) -> None:
    secrets.generate(tmp_path / "secrets", [], {"acme": "Acme"})
    first = json.loads((tmp_path / "secrets" / "alert_webhook_tokens.json").read_text())
    secrets.generate(tmp_path / "secrets", [], TENANTS)
    tokens = json.loads((tmp_path / "secrets" / "alert_webhook_tokens.json").read_text())
    assert tokens["acme"] == first["acme"]
    assert (set(tokens), len(set(tokens.values()))) == (set(TENANTS), 3)


def test_what_is_lacking_is_told_without_making_it(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    assert {item.kind for item in secrets.lacking(folder, ["redis"], TENANTS)} == {"value"}
    assert not folder.exists()
    secrets.generate(folder, ["redis"], TENANTS)
    assert secrets.lacking(folder, ["redis"], TENANTS) == []
    (folder / "redis_password").unlink()
    (folder / "jwt_private.pem").chmod(0o644)
    found = secrets.lacking(folder, ["redis"], {**TENANTS, "umbrella": "Umbrella"})
    assert [(Path(item.path).name, item.kind) for item in found] == [
        ("redis_password", "value"),
        ("identities.json", "addition"),
        ("alert_webhook_tokens.json", "addition"),
        ("jwt_private.pem", "mode"),
    ]


def test_a_rotation_makes_every_value_anew(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    secrets.generate(folder, ["redis", "postgres"], TENANTS)
    before = set(secrets.values(folder))
    secrets.forget(folder)
    secrets.generate(folder, ["redis", "postgres"], TENANTS)
    kept = before & set(secrets.values(folder))
    assert [value for value in kept if len(value) in (24, 32)] == []


def test_values_can_be_asked_for_while_they_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    secrets.generate(folder, ["redis"], TENANTS)
    before = set(secrets.values(folder))
    gone = (folder / "redis_password").read_text()
    (folder / "redis_password").unlink()
    (folder / "redis_password").symlink_to(tmp_path / "nowhere")  # listed, and not there when it is read
    assert set(secrets.values(folder)) == before - {gone}


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("given-by-a-vault_1.2~+/=:@,!*^?", None), ("tiny", "shorter than 8"), ("two words here", "other characters"),
        ('quote"d-value', "other characters"), ("back\\slashed", "other characters"), ("${expanded}", "other characters"),
        ("trailing-line\n", "other characters"), ("übergrößte", "other characters"),
    ],
)  # fmt: skip
def test_a_given_secret_means_itself_wherever_it_is_written(value: str, wrong: str | None) -> None:
    """In redis.conf a second word is an argument too many; in JSON a quote is escaped, and then not masked."""
    said = secrets.unusable({"redis_password": value}, ["redis"])
    assert (said is None) if wrong is None else (said is not None and wrong in said and value not in said)


def test_a_secret_of_nobody_is_told() -> None:
    assert "no account" in str(secrets.unusable({"rediss_password": "long-enough"}, ["redis"]))
