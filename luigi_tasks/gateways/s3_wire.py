"""Sends one signed PUT: by a pool of connections of our own, or by botocore's session where a proxy stands between.

The session makes a request, an answer and three parses of the address for each put, half a millisecond of CPU time; the
pool has the same certificates, time-outs and, to the caller, the same errors.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3.exceptions as lost
from botocore import exceptions
from botocore.awsrequest import AWSPreparedRequest
from botocore.httpsession import URLLib3Session, create_urllib3_context, get_cert_path
from botocore.utils import get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssl_match_hostname import CertificateError

from luigi_tasks.domain.publishing import Body
from luigi_tasks.gateways import exchanges
from luigi_tasks.gateways.patient_sockets import Patient

CONNECT_SECONDS = 10.0
Send = Callable[[str, Body, Mapping[str, str]], tuple[int, bytes]]


def sender(base: str, verify: str | bool, connections: int, read_timeout: float) -> Send:
    """A function of URL, body and headers that puts and returns status and content; raises botocore's HTTP errors.

    base: an address with the scheme, host and port of all URLs; verify: certificates' file, True: usual ones;
    read_timeout: seconds for the answer, and as many for the body to be sent.
    """
    proxies = get_environ_proxies(base)
    if urlsplit(base).scheme in proxies:
        return _through_session(verify, proxies, connections, read_timeout)
    return _directly(_pool(base, verify, connections, read_timeout))


def _through_session(verify: str | bool, proxies: dict[str, str], connections: int, read_timeout: float) -> Send:
    session = URLLib3Session(
        verify=verify,  # type: ignore[arg-type]
        proxies=proxies,
        timeout=(CONNECT_SECONDS, read_timeout),  # type: ignore[arg-type]
        max_pool_connections=connections,
    )

    def send(url: str, body: Body, headers: Mapping[str, str]) -> tuple[int, bytes]:
        # The stubs know neither that a plain mapping will do nor that urllib3 sends a memoryview.
        answer = session.send(AWSPreparedRequest("PUT", url, headers, body, False))  # type: ignore[arg-type]
        return answer.status_code, answer.content

    return send


class _Connection(HTTPConnection):
    """Connects within its own time, and gives a body and its answer theirs: many at once on a slow line take long."""

    def __init__(self, *given: Any, body_seconds: float, **named: Any) -> None:
        super().__init__(*given, **named)
        self._body_seconds = body_seconds

    def connect(self) -> None:
        self.timeout = CONNECT_SECONDS
        super().connect()
        self.sock.settimeout(self._body_seconds)


class _PlainConnection(Patient, _Connection):
    pass


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _pool(base: str, verify: str | bool, connections: int, read_timeout: float) -> HTTPConnectionPool:
    parts, timeout = urlsplit(base), Timeout(connect=CONNECT_SECONDS, read=read_timeout)
    assert parts.hostname, "the driver made it"
    if parts.scheme == "http":
        return _Pool(parts.hostname, parts.port, timeout=timeout, maxsize=connections, body_seconds=read_timeout)
    return _TlsPool(
        parts.hostname,
        parts.port,
        timeout=timeout,
        maxsize=connections,
        body_seconds=read_timeout,
        ssl_context=create_urllib3_context(),
        cert_reqs="CERT_REQUIRED",
        ca_certs=get_cert_path(verify),  # type: ignore[arg-type]  # it takes a path as well
    )


def _directly(pool: HTTPConnectionPool) -> Send:
    def send(url: str, body: Body, headers: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            return exchanges.put(pool, urlsplit(url).path, body, headers)
        except (ssl.SSLError, CertificateError) as problem:
            raise exceptions.SSLError(endpoint_url=url, error=problem) from None
        except lost.NewConnectionError as problem:
            raise exceptions.EndpointConnectionError(endpoint_url=url, error=problem) from None
        except lost.ConnectTimeoutError as problem:
            raise exceptions.ConnectTimeoutError(endpoint_url=url, error=problem) from None
        except TimeoutError as problem:
            raise exceptions.ReadTimeoutError(endpoint_url=url, error=problem) from None
        except (OSError, http.client.HTTPException) as problem:
            raise exceptions.ConnectionClosedError(endpoint_url=url, error=problem, request=None) from None
        except lost.HTTPError as problem:
            raise exceptions.HTTPClientError(error=problem) from None

    return send
