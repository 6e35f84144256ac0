"""A stand-in of JSONPlaceholder: six resources of the real shape and numbers, invented content, changes on demand.

Shape and numbers as the guide shows them (https://jsonplaceholder.typicode.com/guide/): whole resources as JSON arrays,
indented by two spaces, `Content-Type: application/json; charset=utf-8`.
"""

from __future__ import annotations

import json
import random
import threading
from typing import Any

from twin.messages import Request, Response, error_answer

WORDS = [
    "amber",
    "basin",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "glade",
    "harbor",
    "island",
    "jetty",
    "kelp",
    "lagoon",
    "meadow",
    "orchard",
    "pebble",
    "quarry",
]
NUMBERS = {"users": 10, "posts": 100, "comments": 500, "albums": 100, "photos": 5000, "todos": 200}
Record = dict[str, Any]


class Jsonplaceholder:
    """The six resources. numbers: how many records of each, for those that are not to have the real number."""

    NAME = "jsonplaceholder"

    def __init__(self, seed: int = 1, **numbers: int) -> None:
        self._lock = threading.Lock()
        self._records = _generated(random.Random(seed), NUMBERS | numbers)

    def records(self, resource: str) -> list[Record]:
        """What a resource holds now."""
        with self._lock:
            return [dict(record) for record in self._records[resource]]

    def update(self, resource: str, number: int, **fields: object) -> None:
        """Give a record other values."""
        with self._lock:
            self._one(resource, number).update(fields)

    def remove(self, resource: str, number: int) -> None:
        """Take a record out of its list."""
        with self._lock:
            self._records[resource].remove(self._one(resource, number))

    def _one(self, resource: str, number: int) -> Record:
        return next(record for record in self._records[resource] if record["id"] == number)

    def answer(self, request: Request) -> Response:
        """A whole resource, 404 with an empty object for anything else."""
        resource = request.path.strip("/")
        if resource not in self._records:
            return error_answer(404, "no such resource")
        body = json.dumps(self.records(resource), indent=2, ensure_ascii=False).encode()
        return Response(200, body, "application/json; charset=utf-8")


def demo_site(visits: int) -> Jsonplaceholder:
    """As the demo has it after so many visits."""
    return Jsonplaceholder()


def _generated(chance: random.Random, numbers: dict[str, int]) -> dict[str, list[Record]]:
    def words(number: int) -> str:
        return " ".join(chance.choices(WORDS, k=number))

    def owner(number: int, of: str, resource: str) -> int:
        """Children are spread evenly, in order, as on the site."""
        return (number - 1) * numbers[of] // numbers[resource] + 1

    def ids(resource: str) -> range:
        return range(1, numbers[resource] + 1)

    return {
        "users": [_user(chance, number) for number in ids("users")],
        "posts": [
            {"userId": owner(n, "users", "posts"), "id": n, "title": words(5), "body": f"{words(9)}\n{words(8)}"}
            for n in ids("posts")
        ],
        "comments": [
            {
                "postId": owner(n, "posts", "comments"),
                "id": n,
                "name": words(4),
                "email": f"{words(1).capitalize()}_{n}@{words(1)}.example",
                "body": f"{words(10)}\n{words(6)}",
            }
            for n in ids("comments")
        ],
        "albums": [{"userId": owner(n, "users", "albums"), "id": n, "title": words(3)} for n in ids("albums")],
        "photos": [
            {
                "albumId": owner(n, "albums", "photos"),
                "id": n,
                "title": words(6),
                "url": f"https://pictures.example/600/{n:06x}",
                "thumbnailUrl": f"https://pictures.example/150/{n:06x}",
            }
            for n in ids("photos")
        ],
        "todos": [
            {"userId": owner(n, "users", "todos"), "id": n, "title": words(5), "completed": chance.random() < 0.45}
            for n in ids("todos")
        ],
    }


def _user(chance: random.Random, number: int) -> Record:
    first, last, place = (chance.choice(WORDS).capitalize() for _ in range(3))
    return {
        "id": number,
        "name": f"{first} {last}",
        "username": f"{first}.{number}",
        "email": f"{first}@{last.lower()}.example",
        "address": {
            "street": f"{place} Road",
            "suite": f"Apt. {chance.randrange(100, 999)}",
            "city": f"{place}town",
            "zipcode": f"{chance.randrange(10_000, 99_999)}-{chance.randrange(1000, 9999)}",
            "geo": {
                "lat": f"{chance.uniform(-90, 90):.4f}",
                "lng": f"{chance.uniform(-180, 180):.4f}",
            },
        },
        "phone": f"1-{chance.randrange(200, 999)}-555-01{number:02} x{chance.randrange(100, 999)}",
        "website": f"{last.lower()}.example",
        "company": {
            "name": f"{last}-{place}",
            "catchPhrase": " ".join(chance.choices(WORDS, k=3)).capitalize(),
            "bs": " ".join(chance.choices(WORDS, k=3)),
        },
    }
