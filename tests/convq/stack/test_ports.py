import errno
import socket
import sys

import pytest

from convq.stack.ports import ReservedPort
from core.errors import Conflict, InvalidInput


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can keep a port for somebody else")
def test_a_reserved_port_is_for_a_server_that_asks_for_it_and_for_nobody_else():
    port = ReservedPort()
    with socket.socket() as other:
        with pytest.raises(OSError) as refused:
            other.bind(("127.0.0.1", port.number))
        assert refused.value.errno == errno.EADDRINUSE
    # As asyncio, uvloop and Redis do, it sets SO_REUSEADDR.
    with socket.create_server(("127.0.0.1", port.number)) as server:
        port.release()
        with socket.create_connection(("127.0.0.1", port.number)):
            server.accept()[0].close()


def test_a_port_that_was_given_back_is_free():
    port = ReservedPort()
    port.release()
    with socket.socket() as other:
        other.bind(("127.0.0.1", port.number))


def test_a_taken_port_is_named_with_the_option():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Conflict, match=f"port {port} .*--port"):
            ReservedPort(port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_no_port(port):
    with pytest.raises(InvalidInput, match="0 to 65535"):
        ReservedPort(port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host"])
def test_an_address_that_is_not_ours(host):
    with pytest.raises(InvalidInput, match="host"):
        ReservedPort(0, host)
