"""A sink behind TLS is written to when its certificate is trusted, and is told nothing when it is not."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runners.lib.errors import NotReady
from runners.wire.connection import Connection, Reply, require_reachable
from runners.wire.parcel import Answer


class _Server(ThreadingHTTPServer):
    seen: list[bytes]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        if self.path == "/unwilling":  # closes with the body unread
            self.close_connection = True
            self.wfile.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch")
            return
        self.server.seen.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "sink.pem"
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(plain + made.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def server(certificate: Path) -> Iterator[_Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with _Server(("127.0.0.1", 0), _Handler) as serving:
        serving.seen = []
        serving.socket = context.wrap_socket(serving.socket, server_side=True)
        thread = threading.Thread(target=serving.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def test_a_trusted_certificate_is_written_to(
    server: _Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    connection = Connection(f"https://127.0.0.1:{server.server_port}", 5)
    large = bytes(range(256)) * 4096
    for body in (b"small", memoryview(large)):
        reply = connection.post("/v1/logs", body, {"A": "b"})
        assert isinstance(reply, Reply) and reply.status == 200
    connection.close()
    assert server.seen == [b"small", large]


def test_a_refusal_before_the_body_was_read_is_the_answer(
    server: _Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    connection = Connection(f"https://127.0.0.1:{server.server_port}", 20)
    for _ in range(2):
        reply = connection.post("/unwilling", bytes(64 << 20), {})
        assert isinstance(reply, Reply), reply.error
        assert (reply.status, reply.content) == (413, b"much")


def test_another_one_is_told_nothing(server: _Server) -> None:
    connection = Connection(f"https://127.0.0.1:{server.server_port}", 5)
    answer = connection.post("/v1/logs", b"secret", {"Authorization": "Bearer x"})
    assert isinstance(answer, Answer) and answer.status == 0 and "certificate" in answer.error.lower()
    assert server.seen == []


def test_whom_nobody_trusts_is_named_before_anything_is_sent(
    server: _Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://127.0.0.1:{server.server_port}"
    with pytest.raises(NotReady, match="cannot be trusted") as caught:
        require_reachable(url)
    assert "SSL_CERT_FILE" in str(caught.value)
    with pytest.raises(NotReady, match="cannot be trusted"):
        require_reachable(f"https://localhost:{server.server_port}")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    require_reachable(url)
