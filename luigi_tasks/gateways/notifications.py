"""Messages to people through Apprise, and the ping whose absence is an alarm."""

from __future__ import annotations

from urllib.parse import urlsplit

from luigi_tasks.domain.errors import NotificationError, SettingsError

PING_SECONDS = 10


def send(addresses: str, title: str, body: str, *, failure: bool) -> int:
    """Send a message to every Apprise address (space or comma between them); returns to how many.

    Raises SettingsError for what is no address, NotificationError naming the services that did not take it. An
    address holds secrets: none is ever in a message or a log, the names of services are.
    """
    import apprise

    servers = apprise.Apprise()
    if not servers.add(addresses):
        raise SettingsError(
            "NOTIFY_URLS holds what is no Apprise address",
            mend="Such as ntfy://topic or mailto://user:password@host; several with a space between.",
        )
    kind = apprise.NotifyType.FAILURE if failure else apprise.NotifyType.SUCCESS
    refused = [server.service_name for server in servers if not server.notify(title=title, body=body, notify_type=kind)]
    if refused:
        raise NotificationError(
            f"the digest was not taken by {', '.join(map(str, refused))}",
            mend="Try again and hear why: python -m luigi_tasks notify",
        )
    return len(servers)


def ping(url: str) -> None:
    """Fetch the dead-man's address. Raises NotificationError, which names its host only: the path is the secret."""
    import requests

    host = urlsplit(url).hostname
    try:
        answer = requests.get(url, timeout=PING_SECONDS, allow_redirects=False)
    except requests.RequestException as problem:
        raise NotificationError(f"no ping: {type(problem).__name__}", where=str(host)) from None
    if answer.status_code >= 300:
        raise NotificationError(f"no ping: HTTP {answer.status_code}", where=str(host), mend="Is DEADMAN_URL right?")
