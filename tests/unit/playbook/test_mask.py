"""No generated secret leaves a playbook."""

from runners.playbook.mask import MASKED, Mask


def test_secrets_are_masked_however_deep_they_lie() -> None:
    mask = Mask(lambda: ["s3cr3t-value", "s3cr3t-value-longer"])
    event = {"a": ["x s3cr3t-value-longer y", {"s3cr3t-value": 1}], "n": 3}
    assert mask.value(event) == {"a": [f"x {MASKED} y", {MASKED: 1}], "n": 3}


def test_short_values_do_not_mask_ordinary_words() -> None:
    assert Mask(lambda: ["ok"]).text("ok: [localhost]") == "ok: [localhost]"


def test_values_are_read_again_when_they_may_be_new() -> None:
    secrets: list[str] = []
    mask = Mask(lambda: secrets, lambda: len(secrets))
    assert mask.text("password-one") == "password-one"
    secrets.append("password-one")
    assert mask.text("password-one") == MASKED


def test_what_was_a_secret_once_stays_one() -> None:
    """A rollback removes the secrets, and then the report tells what a service said of them."""
    secrets = ["password-one"]
    mask = Mask(lambda: secrets, lambda: len(secrets))
    assert mask.text("password-one") == MASKED
    secrets.clear()
    assert mask.text("requirepass password-one") == f"requirepass {MASKED}"
