"""Does a source answer? One request of a run's, within the budget and kept nowhere, for doctor."""

from __future__ import annotations

import contextlib

from luigi_tasks.domain.errors import SourceError
from luigi_tasks.gateways import postgres
from luigi_tasks.gateways.request_budget import Rank, RequestBudget
from luigi_tasks.settings import Settings
from luigi_tasks.sources import CATALOGUE
from luigi_tasks.sources.answers import Retry, judge
from luigi_tasks.sources.contract import Filed, Listing, Requested
from luigi_tasks.steps.access import access, open_api, query

SECONDS = 10.0


def check(settings: Settings, name: str, run_id: str) -> str:
    """What the source says, in words. run_id: the minute that is asked for where a run is a minute.

    A source that is a file or an archive is not asked: what a run reads there is the whole of it. Raises SourceError
    for one that does not answer, though only where it is in use: Wallhaven, or one that was collected here.
    """
    source = CATALOGUE[name]
    if isinstance(source, Filed):
        return f"{name}: a file that a run names; not asked"
    if not isinstance(source, Listing | Requested):
        return f"{name}: an archive that a run downloads whole; not asked"
    own = settings.model_copy(update={"http_timeout_seconds": min(SECONDS, settings.http_timeout_seconds)})
    asked = query(own, name)
    request = source.first_request(asked) if isinstance(source, Listing) else source.requests(asked, run_id)[0]
    with (
        contextlib.closing(postgres.connect(own, "draenei-collector doctor")) as connection,
        contextlib.closing(open_api(own, asked)) as api,
    ):
        RequestBudget(connection, name, access(own, asked).per_minute, rank=Rank.REFRESH).take()
        try:
            answer = api.get(request.path, request.params)
            judge(source, request.entity, answer.status, answer.headers, answer.body, where=answer.url)
        except (SourceError, Retry) as problem:
            cause = problem.cause if isinstance(problem, Retry) else problem
            if _is_in_use(own, name):
                mend = cause.mend or f"Check the network and {name.upper()}_API_URL."
                raise SourceError(cause.what, where=access(own, asked).address, mend=mend) from None
            return f"{name}: does not answer ({cause.what}); nothing was collected from it here"
    return f"{name}: {access(own, asked).address} answers"


def _is_in_use(settings: Settings, name: str) -> bool:
    with postgres.transaction(settings) as cursor:
        cursor.execute("select exists (select from ops.runs where source = %s)", (name,))
        return name == "wallhaven" or cursor.fetchone() == (True,)
