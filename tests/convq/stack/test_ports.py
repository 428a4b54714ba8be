import socket

import pytest

from convq.stack.ports import claim_port, free_port
from core.errors import Conflict, InvalidInput


def test_a_free_port_can_be_claimed():
    port = free_port()
    assert claim_port(port, "127.0.0.1") == port


def test_a_taken_port_is_named_with_the_option():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Conflict, match=f"port {port} .*--port"):
            claim_port(port, "127.0.0.1")


@pytest.mark.parametrize("port", [-1, 65536])
def test_no_port(port):
    with pytest.raises(InvalidInput, match="0 to 65535"):
        claim_port(port, "127.0.0.1")


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_an_address_that_is_not_ours(host):
    with pytest.raises(InvalidInput, match="host"):
        claim_port(0, host)
