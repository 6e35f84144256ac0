"""A certificate of our own for the servers of a measurement over TLS, and how the tools come to trust it."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

from benchmarks.transfer.network import HOST

REQUEST = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}")
NAMED = ("-addext", f"subjectAltName=IP:{HOST}")


def certificate(folder: Path) -> Path:
    """A new one that signs itself, with its key, in one file; it is its own authority."""
    key, signed, both = (folder / f"{name}.pem" for name in ("key", "certificate", "both"))
    subprocess.run([*REQUEST, *NAMED, "-keyout", str(key), "-out", str(signed)], check=True, capture_output=True)
    both.write_text(key.read_text() + signed.read_text())
    return both


def context(both: Path) -> ssl.SSLContext:
    """What a server presents."""
    presented = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    presented.load_cert_chain(both)
    return presented


def trusted(both: Path) -> dict[str, str]:
    """The environment in which every tool takes it: each library has a name of its own for that.

    SSL_CERT_FILE: OpenSSL's and Go's own, so our image hosts, rclone, urllib; AWS_CA_BUNDLE: botocore's, our store's;
    REQUESTS_CA_BUNDLE: requests' own, so gallery-dl, the seed's way and our API; CURL_CA_BUNDLE: curl's.
    """
    names = ("SSL_CERT_FILE", "AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    return dict.fromkeys(names, str(both.with_name("certificate.pem")))
