"""A Redis of somebody else's, with TLS and with a user who may do little, and a job all the way."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import redis
from celery import Celery
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kombu.exceptions import OperationalError

from convq import Client
from convq.given_redis import check_redis
from convq.stack import LocalStack
from convq.stack.redis_server import RedisServer
from core.errors import Unavailable
from core.queue import QUEUE, TASK, celery_config
from core.settings import Settings
from core.store.connection import connect
from core.store.keys import KeyStore

PAGE = Path(__file__).parents[3] / "docs" / "keys.md"


class TlsServer:
    """Ends TLS in front of a server that does not speak it, as stunnel does."""

    def __init__(self, port: int, folder: Path) -> None:
        self._behind = port
        self.ca = folder / "ca.pem"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate(folder, self.ca))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        # Wakes the thread that accepts, which closing alone would not.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with (
            suppress(OSError),
            plain,
            self._context.wrap_socket(plain, server_side=True) as outer,
            socket.create_connection(("127.0.0.1", self._behind)) as inner,
        ):
            back = threading.Thread(target=pump, args=(inner, outer), daemon=True)
            back.start()
            pump(outer, inner)
            back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)


def certificate(folder: Path, ca: Path) -> Path:
    """Write a certificate for 127.0.0.1 that is its own authority; return the file with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis of a test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    ca.write_bytes(pem)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    both = folder / "server.pem"
    both.write_bytes(secret + pem)
    return both


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def tls(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    made = TlsServer(server.port, tmp_path_factory.mktemp("tls"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def user(server: RedisServer) -> str:
    """Make the user that docs/keys.md recommends; return user and password for a URL."""
    (rule,) = re.findall(r"^user convq (.*)$", PAGE.read_text(), re.MULTILINE)
    assert ">PASSWORD" in rule
    words = rule.replace("PASSWORD", "s3cret-of-the-test").split()
    with redis.Redis.from_url(server.url) as client:
        client.execute_command("ACL", "SETUSER", "convq", *words)
    return "convq:s3cret-of-the-test"


def test_a_user_with_few_rights_reaches_nothing_else(server: RedisServer, user: str) -> None:
    with redis.Redis.from_url(f"redis://{user}@127.0.0.1:{server.port}/0") as client:
        assert client.set("convq:x", 1)
        for refused in (
            ("GET", "other:x"),
            ("FLUSHALL",),
            ("CONFIG", "GET", "requirepass"),
            ("ACL", "LIST"),
            ("KEYS", "*"),
            ("EVAL", "return redis.call('GET', 'other:x')", 0),
        ):
            with pytest.raises(redis.exceptions.ResponseError, match=r"(?i)perm|acl"):
                client.execute_command(*refused)
        client.delete("convq:x")


def test_a_server_whose_certificate_is_not_trusted_is_refused(
    tls: TlsServer, server: RedisServer
) -> None:
    secret = server.url.partition("@")[0].removeprefix("redis://")
    for url in (
        f"rediss://{secret}@127.0.0.1:{tls.port}/0",
        # The certificate is for 127.0.0.1.
        f"rediss://{secret}@localhost:{tls.port}/0?ssl_ca_certs={tls.ca}",
    ):
        with pytest.raises(Unavailable, match="certificate verify failed") as caught:
            check_redis(url)
        assert secret.strip(":") not in str(caught.value)
        settings = Settings(redis_url=url)
        with pytest.raises(redis.exceptions.ConnectionError), connect(settings) as client:
            client.ping()
        with pytest.raises(OperationalError, match="certificate verify failed"):
            send(settings)
    trusted = f"rediss://{secret}@127.0.0.1:{tls.port}/0?ssl_ca_certs={tls.ca}"
    check_redis(trusted)
    send(Settings(redis_url=trusted))
    with redis.Redis.from_url(server.url) as client:
        assert client.delete("convq:celery:convq") == 1


def send(settings: Settings) -> None:
    """Send a message as Celery does, over a connection that nobody has used before."""
    with Celery("test", set_as_current=False) as app:
        app.conf.update(celery_config(settings))
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0)
            app.send_task(TASK, args=[], queue=QUEUE, connection=connection)


@pytest.mark.stack
def test_a_job_goes_all_the_way_over_tls_with_few_rights(
    tls: TlsServer, user: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CONVQ_REDIS_URL", raising=False)
    url = f"rediss://{user}@127.0.0.1:{tls.port}/0?ssl_ca_certs={tls.ca}"
    with (
        LocalStack(tmp_path / "data", redis_url=url, settings={"keys": True}) as stack,
        connect(Settings(redis_url=url)) as records,
    ):
        _, key = KeyStore(records).create(tenant="lab", scopes=["submit", "read"])
        with Client(stack.url, api_key=key) as client:
            image = np.ones((8, 8), dtype=np.float32)
            job = client.submit(inputs=[image], kernel={"preset": "box", "size": 3})
            ended = client.wait(job, timeout=60)
            assert ended.state == "succeeded", ended
            assert client.result(job).shape == (8, 8)
    secrets = (user.partition(":")[2], key.rpartition("_")[2])
    for log in (tmp_path / "data" / "logs").iterdir():
        text = log.read_text()
        assert not [secret for secret in secrets if secret in text], log
    shutil.rmtree(tmp_path / "data")


def test_settings_do_not_show_the_password() -> None:
    settings = Settings(redis_url="redis://:s3cret@127.0.0.1:1/0")
    assert "s3cret" not in repr(settings)
    assert "s3cret" not in str(settings)
