"""Where pictures may come from: the list of hosts, and connections that refuse an address nobody listed.

The list is compared with the very host and port that are then connected to (one parser for both), and the address is
checked on the connected socket, so that a name that resolves to something else the second time gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import LocationValueError
from urllib3.util import parse_url

from luigi_tasks.domain.publishing import Outcome, PictureError
from luigi_tasks.gateways.patient_sockets import Patient
from luigi_tasks.gateways.timely_heads import TimelyHead

DEFAULT_PORTS = {"https": 443, "http": 80}
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
# What is_global of some supported Python passes although nothing public answers there: IETF protocol assignments
# (a cloud's metadata service is among them), IPv4-compatible, locally translated and site-local addresses.
NOT_OPEN = tuple(map(ipaddress.ip_network, ("192.0.0.0/24", "::/96", "64:ff9b:1::/48", "fec0::/10")))


@dataclass(frozen=True)
class Address:
    """A URL that passed the list. target: path and query, as sent."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def url(self) -> str:
        """The whole of it again, to resolve a relative redirect against."""
        return f"{self.scheme}://{self.host}:{self.port}{self.target}"


class ImageHosts:
    """WALLHAVEN_IMAGE_HOSTS. An entry without a port means the default port of the URL's scheme."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self._listed = {(parts.hostname, parts.port) for parts in (urlsplit(f"//{entry}") for entry in entries)}

    def allowed(self, url: str, base: Address | None = None) -> Address:
        """The parts of an allowed URL; a relative one is resolved against base. Raises PictureError(refused)."""
        try:
            parts = parse_url(urljoin(base.url, url) if base else url)
        except (LocationValueError, ValueError):
            raise PictureError(Outcome.REFUSED, "not a URL") from None
        scheme, host = parts.scheme or "", (parts.host or "").lower()
        if scheme not in DEFAULT_PORTS:
            raise PictureError(Outcome.REFUSED, "neither http nor https")
        if parts.auth is not None:
            raise PictureError(Outcome.REFUSED, "credentials in the URL")
        port = parts.port or DEFAULT_PORTS[scheme]
        if not self._is_listed(host.strip("[]"), port, scheme):
            raise PictureError(Outcome.REFUSED, "host is not in WALLHAVEN_IMAGE_HOSTS")
        return Address(scheme, host, port, parts.request_uri)

    def _is_listed(self, host: str, port: int, scheme: str) -> bool:
        return (host, port) in self._listed or (port == DEFAULT_PORTS[scheme] and (host, None) in self._listed)


def pool_manager(connections_per_host: int) -> PoolManager:
    """A PoolManager whose connections are all guarded; it knows no proxy."""
    manager = PoolManager(maxsize=connections_per_host, block=False)
    manager.pool_classes_by_scheme = {"http": _GuardedPool, "https": _GuardedTlsPool}
    return manager


class _Guarded(TimelyHead):
    """Refuses a private peer."""

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        if _is_private(sock.getpeername()[0]) and not _names_an_address(self.host):
            sock.close()
            raise PictureError(Outcome.REFUSED, "host resolves to a private address")
        return sock


class _GuardedPlain(Patient, _Guarded):
    pass


class _GuardedTls(_Guarded, HTTPSConnection):
    pass


class _GuardedPool(HTTPConnectionPool):
    ConnectionCls = _GuardedPlain


class _GuardedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTls


def _is_private(address: str) -> bool:
    """True unless the address, and every IPv4 address that a gateway would find in it, is one of the open internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return not _is_open(ip)
    if ip.ipv4_mapped:
        return not _is_open(ip.ipv4_mapped)
    inner = ip.sixtofour or (ipaddress.IPv4Address(ip.packed[-4:]) if ip in NAT64 else None)
    return not _is_open(ip) or (inner is not None and not _is_open(inner))


def _is_open(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in NOT_OPEN)


def _names_an_address(host: str) -> bool:
    """True for an IP literal or localhost, which someone listed literally."""
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
