"""What counts as a provider's key, how often it is asked for, and that no answer takes the known keys away."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from observastack.identity.discovery import MAX_BYTES, Provider, Unusable, discover, signing_keys
from observastack.identity.keys import RemoteKeys
from observastack.tests.identity.issuers import Key, Scripted, new_key, scripted
from tests.servers import free_port


@pytest.fixture(scope="module")
def key() -> Key:
    return new_key()


@pytest.fixture
def provider() -> Iterator[Scripted]:
    with scripted(free_port()) as running:
        yield running


def jwk(key: Key, **changes: Any) -> dict[str, Any]:
    found = {
        **RSAAlgorithm.to_jwk(key.private.public_key(), as_dict=True),
        "kid": key.kid,
        "use": "sig",
        "alg": "RS256",
    }
    return {name: value for name, value in {**found, **changes}.items() if value is not None}


def test_a_key_that_signs_with_rs256_counts(key: Key) -> None:
    assert set(signing_keys({"keys": [jwk(key)]})) == {key.kid}
    assert set(signing_keys({"keys": [jwk(key, use=None, alg=None)]})) == {key.kid}


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"alg": "RS512"},
        {"alg": "RSA-OAEP"},
        {"kid": None},
        {"kid": 1},
        {"kty": "oct"},
        {"n": "!"},
        {"e": None},
    ],
    ids=str,
)
def test_any_other_key_is_left_out_and_spoils_nothing(key: Key, changes: dict[str, Any]) -> None:
    assert set(signing_keys({"keys": [jwk(key, **changes), "x", None, jwk(key, kid="good")]})) == {"good"}


def test_a_short_key_and_one_of_another_kind_are_left_out() -> None:
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    curve = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    listed = [RSAAlgorithm.to_jwk(short.public_key(), as_dict=True) | {"kid": "short"}, curve | {"kid": "curve"}]
    assert signing_keys({"keys": listed}) == {}


def test_a_private_key_that_a_provider_publishes_is_used_as_public(key: Key) -> None:
    whole = RSAAlgorithm.to_jwk(key.private, as_dict=True) | {"kid": key.kid}
    assert isinstance(signing_keys({"keys": [whole]})[key.kid], rsa.RSAPublicKey)


def test_discovery_finds_endpoints_and_keys(provider: Scripted) -> None:
    found = discover(provider.issuer)
    assert set(found.keys) == {provider.key.kid}
    assert found.endpoint("token_endpoint") == f"{provider.url}/token"
    assert found.endpoint("no_such_endpoint") is None


def test_a_provider_is_asked_where_it_can_be_reached_and_believed_as_who_it_says_it_is(provider: Scripted) -> None:
    """As in containers: the issuer's address is the browser's, and nothing listens there on this side."""
    reached, provider.url = provider.url, f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unusable, match="does not answer"):
        discover(provider.issuer)
    found = discover(provider.issuer, via=reached)
    assert set(found.keys) == {provider.key.kid}
    assert found.endpoint("token_endpoint") == f"{provider.url}/token"
    with pytest.raises(Unusable, match="another issuer"):
        discover(reached, via=reached)


def test_a_document_that_speaks_for_another_issuer_is_not_used(provider: Scripted) -> None:
    with pytest.raises(Unusable, match="another issuer"):
        discover(provider.issuer.replace("127.0.0.1", "localhost"))


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (500, None, "status 500"),
        (302, None, "status 302"),
        (200, b"[]", "not a JSON object"),
        (200, b"{}" + b" " * MAX_BYTES, "not a JSON object"),
        (200, b"{" * 50_000, "not a JSON object"),
    ],
    ids=["error", "redirect", "list", "large", "deep"],
)
def test_an_answer_that_is_none_is_not_used(provider: Scripted, status: int, body: bytes | None, says: str) -> None:
    provider.status, provider.body = status, body
    with pytest.raises(Unusable, match=says):
        discover(provider.issuer)


def test_a_provider_without_a_usable_key_is_none(provider: Scripted) -> None:
    provider.keys.clear()
    with pytest.raises(Unusable, match="no key"):
        discover(provider.issuer)


def test_nobody_there_is_told_without_an_address() -> None:
    port = free_port()
    with pytest.raises(Unusable, match="does not answer") as caught:
        discover(f"http://127.0.0.1:{port}")
    assert str(port) not in str(caught.value)


class Source:
    """A provider in the place of discovery, and the clock of whoever asks it."""

    def __init__(self, *answers: Provider | Exception) -> None:
        self.answers, self.asked, self.now = list(answers), 0, 100.0
        self.go = threading.Event()
        self.go.set()

    def __call__(self, _: str) -> Provider:
        self.asked += 1
        assert self.go.wait(10)
        answer = self.answers[min(self.asked, len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def keys(self) -> RemoteKeys:
        return RemoteKeys("issuer", min_interval_s=10, max_age_s=300, fetch=self, clock=lambda: self.now)


def known(*keys: Key) -> Provider:
    return Provider({}, {key.kid: key.private.public_key() for key in keys})


def ask(keys: RemoteKeys) -> None:
    keys.refresh().result(10)


def test_unknown_keys_are_asked_for_at_most_every_interval(key: Key) -> None:
    source = Source(known(key))
    keys = source.keys()
    for _ in range(20):
        ask(keys)
    assert source.asked == 1
    source.now += 9.9
    ask(keys)
    assert source.asked == 1
    source.now += 0.2
    ask(keys)
    assert source.asked == 2


def test_without_any_key_it_is_tried_every_second(key: Key) -> None:
    source = Source(Unusable("it does not answer"), known(key))
    keys = source.keys()
    ask(keys)
    assert (keys.known, keys.reason) == (False, "it does not answer")
    ask(keys)
    assert source.asked == 1
    source.now += 1.1
    ask(keys)
    assert (keys.known, keys.reason, source.asked) == (True, None, 2)


@pytest.mark.parametrize("failure", [Unusable("it is down"), RuntimeError("anything"), OSError()], ids=repr)
def test_a_failure_takes_no_key_away(key: Key, failure: Exception) -> None:
    source = Source(known(key), failure)
    keys = source.keys()
    ask(keys)
    source.now += 1000
    assert keys.find(key.kid) is not None
    ask(keys)
    assert source.asked == 2
    assert keys.find(key.kid) is not None
    assert keys.reason


def test_what_the_provider_does_not_list_any_more_is_gone(key: Key) -> None:
    other = new_key()
    source = Source(known(key, other), known(other))
    keys = source.keys()
    ask(keys)
    source.now += 301
    source.go.clear()
    assert keys.find(key.kid) is not None  # too old: asked for in the background, nobody waits
    source.go.set()
    ask(keys)
    assert keys.find(key.kid) is None
    assert keys.find(other.kid) is not None


def test_who_asks_at_the_same_time_waits_for_the_same_answer(key: Key) -> None:
    source = Source(known(key))
    source.go.clear()
    keys = source.keys()
    waiting = [keys.refresh() for _ in range(5)]
    assert not waiting[0].done()
    assert not waiting[0].cancel()  # one who gives up must not take it from the others
    source.go.set()
    for one in waiting:
        one.result(10)
    assert source.asked == 1
    assert keys.known


def test_a_token_that_names_no_key_finds_none(key: Key) -> None:
    source = Source(known(key))
    keys = source.keys()
    ask(keys)
    assert keys.find(None) is None
