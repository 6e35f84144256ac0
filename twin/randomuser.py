"""A stand-in of randomuser.me, version 1.4: the same seed and number of results give the same people, each time.

Shape as the documentation shows it (https://randomuser.me/documentation): `results` and `info`; postcode is text for
some nationalities; ages belong to the day of the request, here that of the seed.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import random
import threading
import uuid
from typing import Any

from twin.messages import Request, Response, error_answer

VERSION = "1.4"
MOST_RESULTS = 5000
NATIONALITIES = {"DE": ("Germany", int), "GB": ("United Kingdom", str), "FR": ("France", int), "CA": ("Canada", str)}
FIRST = {
    "female": ["Ida", "Noor", "Žofia", "Maren", "Aoife", "Chloé"],
    "male": ["Jonas", "Émile", "Søren", "Tariq", "Liam", "Ömer"],
}
LAST = ["Meyer", "O'Brien", "Lefèvre", "Sørensen", "Yılmaz", "van Dijk", "Šimić"]
CITIES = ["Lübeck", "Leeds", "Nîmes", "Québec", "Ulm", "York"]
STREETS = ["Mill Lane", "Hauptstraße", "Rue de la Paix", "Station Road"]
Person = dict[str, Any]


class Randomuser:
    """The one endpoint. `change` gives a person of a seed other values; `version` is what the answers say."""

    NAME = "randomuser"

    def __init__(self) -> None:
        self.version = VERSION
        self._lock = threading.Lock()
        self._changes: list[tuple[str, int, dict[str, Any]]] = []

    def change(self, seed: str, position: int, **fields: Any) -> None:
        """Let a person have other values from now on."""
        with self._lock:
            self._changes.append((seed, position, fields))

    def people(self, seed: str, results: int) -> list[Person]:
        """The people of a seed as they are now."""
        found = [_person(seed, position) for position in range(results)]
        with self._lock:
            for at, position, fields in self._changes:
                if at == seed and position < results:
                    found[position].update(fields)
        return found

    def answer(self, request: Request) -> Response:
        """results and info; 404 for another path, the API's own error for a number it does not give."""
        if request.path != "/":
            return error_answer(404, "no such endpoint")
        seed, results = request.params.get("seed", "draenei"), request.params.get("results", "1")
        if not results.isdigit() or not 0 < int(results) <= MOST_RESULTS:
            return Response(200, json.dumps({"error": "Uh oh, something has gone wrong."}).encode())
        info = {"seed": seed, "results": int(results), "page": 1, "version": self.version}
        body = {"results": self.people(seed, int(results)), "info": info}
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return Response(200, text.encode(), "application/json; charset=utf-8")


def demo_site(visits: int) -> Randomuser:
    """As the demo has it after so many visits."""
    return Randomuser()


def _person(seed: str, position: int) -> Person:
    chance = random.Random(f"{seed}/{position}")
    gender = chance.choice(sorted(FIRST))
    first, last = chance.choice(FIRST[gender]), chance.choice(LAST)
    nationality = chance.choice(sorted(NATIONALITIES))
    number = chance.randrange(100, 1000)
    picture = f"https://pictures.example/portraits/{gender}/{number % 100}.jpg"
    return {
        "gender": gender,
        "name": {"title": "Ms" if gender == "female" else "Mr", "first": first, "last": last},
        "location": _location(chance, nationality),
        "email": f"{first}.{last}{number}@Example.com".replace(" ", "").replace("'", ""),
        "login": _login(chance, last, number),
        "dob": _moment(chance, 1950, 2002),
        "registered": _moment(chance, 2003, 2022),
        "phone": f"0{chance.randrange(10**8, 10**9)}",
        "cell": f"01{chance.randrange(10**8, 10**9)}",
        "id": {"name": "", "value": None},
        "picture": {"large": picture, "medium": picture, "thumbnail": picture},
        "nat": nationality,
    }


def _location(chance: random.Random, nationality: str) -> Person:
    country, postcode = NATIONALITIES[nationality]
    number = chance.randrange(10000, 99999)
    return {
        "street": {"number": chance.randrange(1, 9999), "name": chance.choice(STREETS)},
        "city": chance.choice(CITIES),
        "state": "Nowhere",
        "country": country,
        "postcode": number if postcode is int else f"AB{number % 100} {number % 9}CD",
        "coordinates": {
            "latitude": f"{chance.uniform(-90, 90):.4f}",
            "longitude": f"{chance.uniform(-180, 180):.4f}",
        },
        "timezone": {"offset": chance.choice(["+1:00", "-5:00", "0:00", "+5:30"]), "description": "Somewhere"},
    }


def _login(chance: random.Random, last: str, number: int) -> Person:
    password, salt = f"secret{chance.randrange(10**6)}", f"{chance.getrandbits(32):08x}"
    salted = (password + salt).encode()
    return {
        "uuid": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "username": f"{last.lower()}{number}",
        "password": password,
        "salt": salt,
        "md5": hashlib.md5(salted, usedforsecurity=False).hexdigest(),
        "sha1": hashlib.sha1(salted, usedforsecurity=False).hexdigest(),
        "sha256": hashlib.sha256(salted).hexdigest(),
    }


def _moment(chance: random.Random, earliest: int, latest: int) -> Person:
    year = chance.randrange(earliest, latest)
    moment = datetime.datetime(year, chance.randrange(1, 13), chance.randrange(1, 28), chance.randrange(24))
    return {"date": f"{moment.isoformat()}.000Z", "age": 2026 - year}
