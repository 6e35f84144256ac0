"""randomuser: the same minute asks for the same people; secrets go, on the bytes; the erased go, and nobody else."""

from __future__ import annotations

import json

import pytest

from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.sources import randomuser
from luigi_tasks.sources.contract import Personal
from twin.messages import Request
from twin.randomuser import Randomuser

MINUTE = "2026-11-21T07:00"


def body(results: int = 3) -> bytes:
    """An answer of the stand-in."""
    return Randomuser().answer(Request("GET", "/", f"seed={MINUTE}&results={results}", {}, 0.0)).body


def secrets(answer: bytes) -> list[str]:
    """Every value that must not be kept."""
    people = json.loads(answer)["results"]
    return [person["login"][name] for person in people for name in randomuser.SECRET_FIELDS]


def test_it_is_a_source_of_people() -> None:
    assert isinstance(randomuser, Personal)


def test_the_minute_is_the_seed() -> None:
    [request] = randomuser.requests(randomuser.query("", {"results": "25"}), MINUTE)
    assert request.params == (("seed", MINUTE), ("results", "25"))


@pytest.mark.parametrize("number", ["0", "5001", "-1", "ten"])
def test_a_number_that_the_api_does_not_give_is_refused(number: str) -> None:
    with pytest.raises(SettingsError, match="RANDOMUSER_RESULTS"):
        randomuser.query("", {"results": number})


def test_redaction_replaces_the_secrets_and_no_other_byte() -> None:
    answer = body()
    kept, names = randomuser.redact(answer)
    assert names == randomuser.SECRET_FIELDS
    assert not [secret for secret in secrets(answer) if secret.encode() in kept]
    for secret in secrets(answer):
        answer = answer.replace(f'"{secret}"'.encode(), b'"[redacted]"')
    assert kept == answer


@pytest.mark.parametrize("cut", range(1, 40))
def test_of_an_answer_that_breaks_off_the_secrets_go_too(cut: int) -> None:
    answer = body(1)
    password = secrets(answer)[0].encode()
    broken = answer[: answer.index(password) + cut]
    kept, _ = randomuser.redact(broken)
    assert kept.endswith(b'"[redacted]"') or cut > len(password)
    assert password not in kept


def test_spaces_and_quotes_within_a_value_hide_nothing() -> None:
    kept, names = randomuser.redact(rb'{"login": {"password" : "a\"b", "username": "password"}}')
    assert (kept, names) == (
        rb'{"login": {"password" : "[redacted]", "username": "password"}}',
        randomuser.SECRET_FIELDS,
    )
    assert randomuser.redact(b'{"error":"no"}') == (b'{"error":"no"}', ())


def test_no_record_has_a_secret_even_of_a_body_that_was_not_redacted() -> None:
    answer = body()
    records = json.dumps(randomuser.parse("users", answer).records)
    assert not [secret for secret in secrets(answer) if secret in records]
    assert "uuid" in records


def test_erasing_takes_out_one_person_and_says_that_somebody_was() -> None:
    answer = body(3)
    people = json.loads(answer)["results"]
    gone = people[1]["login"]["uuid"]
    without = randomuser.erase(answer, {gone})
    assert gone.encode() not in without
    assert [randomuser.record_id(record) for record in randomuser.parse("users", without).records] == [
        people[0]["login"]["uuid"],
        people[2]["login"]["uuid"],
    ]
    assert randomuser.erase(answer, {"nobody"}) is answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"error": "Uh oh"}, "Uh oh"),
        ([], "something else"),
        ({"results": []}, "no results and info"),
        ({"results": [], "info": {"version": "1.3"}}, "version 1.3"),
    ],
)
def test_what_is_no_answer_is_refused(answer: object, words: str) -> None:
    with pytest.raises(SourceError, match=words):
        randomuser.parse("users", json.dumps(answer).encode())
