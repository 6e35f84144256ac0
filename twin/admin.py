"""Routes under /twin/ that change a running twin from outside: catalogue, faults, the record of requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from twin.catalogue import Catalogue
from twin.faults import Fault, FaultPlan
from twin.messages import Request, Response, error_answer, json_answer

Params = Mapping[str, str]


@dataclass(frozen=True)
class Admin:
    """Answers requests below /twin/; every mistake of the caller is a 400 or 404 with a sentence in `error`."""

    catalogue: Catalogue
    faults: FaultPlan
    recorded: Callable[[], Iterable[Request]]
    forget: Callable[[], None]

    def answer(self, request: Request, body: bytes) -> Response:
        """The answer to one admin request."""
        actions: dict[str, Callable[[], dict[str, Any]]] = {
            "GET /twin/": self._overview,
            "GET /twin/requests": self._counts,
            "POST /twin/reset-requests": self._reset,
            "POST /twin/upload": lambda: self._upload(request.params),
            "POST /twin/delete": lambda: self._delete(request.params),
            "POST /twin/rerate": lambda: self._rerate(request.params),
            "POST /twin/fault": lambda: self._fault(body),
            "POST /twin/clear-faults": self._clear_faults,
        }
        action = actions.get(f"{request.method} {request.path}")
        if action is None:
            return error_answer(404, f"no {request.method} {request.path}; there are: {', '.join(actions)}")
        try:
            return json_answer(action())
        except KeyError as missing:
            return error_answer(404, f"no {missing.args[0]!r} here: name a parameter or id that exists")
        except (ValueError, TypeError) as wrong:
            return error_answer(400, str(wrong))

    def _overview(self) -> dict[str, Any]:
        return {"wallpapers": len(self.catalogue), "faults": self.faults.as_json()}

    def _counts(self) -> dict[str, Any]:
        requests = list(self.recorded())
        statuses = Counter(str(request.status) for request in requests)
        kinds = Counter(request.route.kind for request in requests)
        return {"total": len(requests), "kinds": dict(kinds), "statuses": dict(statuses)}

    def _reset(self) -> dict[str, Any]:
        self.forget()
        return {"total": 0}

    def _upload(self, params: Params) -> dict[str, Any]:
        count = int(params.get("count", "1"))
        if not 1 <= count <= 100_000:
            raise ValueError(f"count {count} is not between 1 and 100000")
        return {"ids": [wallpaper.id for wallpaper in self.catalogue.upload(count)]}

    def _delete(self, params: Params) -> dict[str, Any]:
        self.catalogue.delete(params["id"])
        return {"deleted": params["id"]}

    def _rerate(self, params: Params) -> dict[str, Any]:
        self.catalogue.rerate(params["id"], params["purity"])
        return {"rerated": params["id"], "purity": params["purity"]}

    def _fault(self, body: bytes) -> dict[str, Any]:
        given = json.loads(body)
        if not isinstance(given, dict):
            raise TypeError('send one JSON object, for example {"kind": "throttle", "match": "search"}')
        fault = Fault.from_mapping(given)
        self.faults.add(fault)
        return {"fault": asdict(fault)}

    def _clear_faults(self) -> dict[str, Any]:
        self.faults.clear()
        return {"faults": []}
