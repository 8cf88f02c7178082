"""Port blocks: the usual ports first, then the next free block of one hundred."""

import socket
import threading

import pytest

from runners.environment.host import ports
from tests.servers import free_port

# Not the catalogue's: an environment that comes up beside this test claims those.
DEFAULTS = {"backend": 18000, "postgres": 15432}


def test_the_first_environment_gets_the_usual_ports() -> None:
    assert ports.choose(DEFAULTS, free=lambda port: True) == 0


def test_one_taken_port_moves_the_whole_block() -> None:
    assert ports.choose(DEFAULTS, free=lambda port: port != 15432) == 100


def test_ports_of_other_environments_are_reserved_though_nothing_listens() -> None:
    assert ports.choose(DEFAULTS, reserved={18000, 15532}, free=lambda port: True) == 200


def test_no_block_is_left() -> None:
    with pytest.raises(ports.NoFreePorts, match="from 15432"):
        ports.choose(DEFAULTS, free=lambda port: False)


def test_blocks_end_below_the_last_port() -> None:
    assert max(port for _, block in ports.blocks({"high": 60_000}) for port in block.values()) < 65_536


def test_a_listening_socket_makes_a_port_taken() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        assert not ports.is_free(server.getsockname()[1])


def test_two_claims_at_once_get_different_blocks() -> None:
    defaults = {"only": free_port()}
    with ports.claimed(defaults) as first, ports.claimed(defaults) as second:
        assert first != second
    with ports.claimed(defaults) as again:
        assert again == first


def test_a_claimed_block_is_not_chosen_though_nothing_listens_yet() -> None:
    """A playbook without the testbed command, beside a `testbed up` that has not started its servers yet."""
    defaults = {"only": free_port()}
    with ports.claimed(defaults) as first:
        assert ports.choose(defaults) != first
    assert ports.choose(defaults) == first


def test_blocks_that_overlap_are_not_claimed_at_once() -> None:
    """One service's port in the next block is another service's port in this one: 3000 + 100 and 3100."""
    first = free_port()
    defaults = {"web": first, "loki": first + ports.STEP}
    with ports.claimed(defaults) as one, ports.claimed(defaults) as other:
        assert (one, other) == (0, 2 * ports.STEP)


def test_every_port_has_a_name() -> None:
    catalogue = {"loki": {"port": 3100, "ports": {"grpc": 9095}}, "web": {"port": 3000}}
    assert ports.numbers(catalogue, 9001) == {"loki": 3100, "loki_grpc": 9095, "web": 3000, "supervisor": 9001}


def test_an_environment_keeps_its_block_when_a_new_version_has_more_services() -> None:
    assert ports.kept({"a": 110, "b": 120}, {"a": 10, "b": 20, "c": 30}) == 100
    assert ports.kept({}, {"a": 10}) is None
    assert ports.kept({"a": 110, "b": 220}, {"a": 10, "b": 20}) is None  # no block at all


def test_asking_for_a_port_keeps_no_server_from_it() -> None:
    """One that starts at this very moment would be refused the port, and its environment would fail for nothing."""
    port, enough = free_port(), threading.Event()

    def ask() -> None:
        while not enough.is_set():
            ports.is_free(port)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(300):
            with socket.socket() as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind(("127.0.0.1", port))
                server.listen()
    finally:
        enough.set()
        asking.join()
