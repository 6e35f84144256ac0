"""The wire of a put: whom it believes over TLS, that a proxy of the environment is used, and what it raises."""

from __future__ import annotations

import datetime
import http.server
import ipaddress
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from botocore import exceptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from luigi_tasks.gateways import s3_wire
from luigi_tasks.gateways.s3_wire import sender
from tests.loopback import QuietHandler, running


class Keeper(http.server.ThreadingHTTPServer):
    """Keeps what is put, over TLS when it is given a certificate."""

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Keep)
        self.kept: dict[str, bytes] = {}
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients hang up here on purpose."""


class Keep(QuietHandler):
    server: Keeper
    pause_seconds = 0.0

    def do_PUT(self) -> None:
        time.sleep(self.pause_seconds)
        self.server.kept[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(412 if "taken" in self.path else 200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"word")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """For 127.0.0.1, signed by itself; with its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "here.pem"
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def put(base: str, verify: str | bool = True, path: str = "/b/k", body: bytes = b"body") -> tuple[int, bytes]:
    return sender(base, verify, 2, 60.0)(f"{base}{path}", memoryview(body), {"Content-Length": str(len(body))})


def test_over_tls_only_a_known_certificate_for_that_very_host_is_believed(certificate: Path) -> None:
    with running(Keeper(certificate)) as keeper:
        base = f"https://127.0.0.1:{keeper.server_port}"
        with pytest.raises(exceptions.SSLError):
            put(base)
        with pytest.raises(exceptions.SSLError):
            put(f"https://localhost:{keeper.server_port}", str(certificate))
        assert not keeper.kept
        assert put(base, str(certificate)) == (200, b"word")
        assert keeper.kept == {"/b/k": b"body"}


def test_what_the_store_says_comes_back_as_it_is() -> None:
    with running(Keeper()) as keeper:
        assert put(f"http://127.0.0.1:{keeper.server_port}", path="/b/taken%20key") == (412, b"word")
        assert keeper.kept == {"/b/taken%20key": b"body"}


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with running(Keeper()) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert put("http://bucket.example.test") == (200, b"word")
        assert proxy.kept == {"http://bucket.example.test/b/k": b"body"}


@pytest.mark.parametrize("over_tls", [False, True])
def test_a_body_may_take_longer_than_a_connection(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, over_tls: bool
) -> None:
    monkeypatch.setattr(s3_wire, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(Keep, "pause_seconds", 1.0)
    monkeypatch.setattr(Keep, "protocol_version", "HTTP/1.1")
    with running(Keeper(certificate if over_tls else None)) as keeper:
        base = f"{'https' if over_tls else 'http'}://127.0.0.1:{keeper.server_port}"
        send = sender(base, str(certificate), 1, 60.0)
        for name in ("/b/first", "/b/again"):
            assert send(base + name, bytes(1 << 24), {"Content-Length": str(1 << 24)}) == (200, b"word")
        assert {name: len(body) for name, body in keeper.kept.items()} == {"/b/first": 1 << 24, "/b/again": 1 << 24}


def test_nobody_there_and_a_lost_answer_are_botocores_errors() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base = f"http://127.0.0.1:{silent.getsockname()[1]}"

        def hang_up() -> None:
            silent.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        with pytest.raises(exceptions.ConnectionClosedError):
            put(base)
        hanging_up.join()
    with pytest.raises(exceptions.EndpointConnectionError):
        put(base)
