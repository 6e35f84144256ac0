"""The connections of a requests session to a source's API, on which no response's head drips for ever."""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from luigi_tasks.gateways.timely_heads import TimelyHead, TimelyHeadTls


class _Pool(HTTPConnectionPool):
    ConnectionCls = TimelyHead


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = TimelyHeadTls


class HeadInTime(HTTPAdapter):
    """An adapter for a requests session; proxies apart, whose connections are their own."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the pools of these connections."""
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
