"""HTTP connections on which a response's head comes whole within the read timeout, or not at all.

A timeout of a socket counts anew with each byte, so a head that drips would be waited for without end.
"""

from __future__ import annotations

from http.client import HTTPException

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

from luigi_tasks.gateways import alarms

TOO_LATE = "the response's head did not come whole in time"


class TimelyHead(HTTPConnection):
    """Raises TimeoutError for a head that is late; a request without a timeout has no time at all."""

    def getresponse(self) -> HTTPResponse:  # type: ignore[override] # as urllib3's own
        """As HTTPConnection."""
        with alarms.after(self.timeout or 0, self.sock) as too_late:
            try:
                response = super().getresponse()
            except (OSError, HTTPException):
                # A host that goes on sending after the hang-up resets the connection, maybe before its end is read.
                if too_late.is_set():
                    raise TimeoutError(TOO_LATE) from None
                raise
        if too_late.is_set():  # http.client takes headers that end early for whole ones
            response.close()
            raise TimeoutError(TOO_LATE)
        return response


class TimelyHeadTls(TimelyHead, HTTPSConnection):
    """The same over TLS."""
