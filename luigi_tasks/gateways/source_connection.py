"""HTTP connections on which a response's head comes whole within the read timeout, or not at all.

A timeout of a socket counts anew with each byte, so a head that drips would be waited for without end.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.response import HTTPResponse


class _HeadInTime(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3's own
        connected, late = self.sock, threading.Event()
        assert self.timeout, "SourceApi gives every request one"

        def hang_up() -> None:
            late.set()
            with contextlib.suppress(OSError):  # closed meanwhile
                connected.shutdown(socket.SHUT_RDWR)

        timer = threading.Timer(self.timeout, hang_up)
        timer.daemon = True
        timer.start()
        try:
            response = super().getresponse()
        finally:
            timer.cancel()
        if late.is_set():
            response.close()
            raise TimeoutError("the response's head did not come whole in time")
        return response


class _HeadInTimeTls(HTTPSConnection, _HeadInTime):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _HeadInTime


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _HeadInTimeTls


class HeadInTime(HTTPAdapter):
    """An adapter for a requests session; proxies apart, whose connections are their own."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pools of these connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
