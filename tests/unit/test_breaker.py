"""The circuit breaker of a host: what trips it, what does not, and how it comes back."""

from __future__ import annotations

import random

import pytest

from luigi_tasks.domain.publishing import Outcome, UploadOutcome
from luigi_tasks.steps.breaker import LIMIT, OF_THE_HOST, PAUSES_SECONDS, Breaker

HOST = "w.example:443"
REFUSED = UploadOutcome("a", Outcome.UNREACHABLE, 0.1, reason="cannot connect")
HUNG = UploadOutcome("a", Outcome.UNREACHABLE, 5, reason="timed out")
BUSY = UploadOutcome("a", Outcome.THROTTLED, 0.1, reason="HTTP 429", http_status=429)
GONE = UploadOutcome("a", Outcome.GONE, 0.1, reason="HTTP 404", http_status=404)
STORED = UploadOutcome("a", Outcome.STORED, 0.1)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(clock)


def trip(breaker: Breaker, outcome: UploadOutcome = REFUSED) -> int:
    """How many of the outcome in a row it takes."""
    for number in range(1, 1000):
        assert breaker.admits(HOST)
        breaker.note(HOST, outcome)
        if not breaker.admits(HOST):
            return number
    raise AssertionError("it never trips")


@pytest.mark.parametrize(
    ("outcome", "number"), [(REFUSED, LIMIT // OF_THE_HOST), (BUSY, LIMIT // OF_THE_HOST), (HUNG, LIMIT)]
)
def test_what_is_the_hosts_own_doing_weighs_more(breaker: Breaker, outcome: UploadOutcome, number: int) -> None:
    assert trip(breaker, outcome) == number
    assert breaker.admits("another.example")


@pytest.mark.parametrize("answer", [GONE, STORED])
def test_any_other_answer_clears_the_account(breaker: Breaker, answer: UploadOutcome) -> None:
    for _ in range(100):
        for _ in range(LIMIT // OF_THE_HOST - 1):
            breaker.note(HOST, REFUSED)
        breaker.note(HOST, answer)
    assert breaker.admits(HOST)


def test_after_a_pause_one_trial_and_its_success_lets_everyone_in(breaker: Breaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += PAUSES_SECONDS[0] + 0.1
    assert [breaker.admits(HOST) for _ in range(3)] == [True, False, False]
    breaker.note(HOST, STORED)
    assert [breaker.admits(HOST) for _ in range(3)] == [True, True, True]


def test_when_every_trial_failed_it_is_given_up_in_words(breaker: Breaker, clock: Clock) -> None:
    trip(breaker)
    for pause in PAUSES_SECONDS:
        assert not breaker.gave_up(HOST)
        assert breaker.stopped() == ()
        clock.now += pause + 0.1
        assert breaker.admits(HOST)
        breaker.note(HOST, REFUSED)
    assert breaker.gave_up(HOST)
    clock.now += 3600
    assert not breaker.admits(HOST)
    assert "host w.example:443 does not answer (cannot connect)" in breaker.stopped()[0]


def test_a_trial_that_ended_without_an_outcome_is_made_again(breaker: Breaker, clock: Clock) -> None:
    trip(breaker)
    clock.now += PAUSES_SECONDS[0] + 0.1
    assert breaker.admits(HOST)
    breaker.drop(HOST)
    assert breaker.admits(HOST)


def test_second_tries_of_dead_pictures_say_nothing_of_the_host(breaker: Breaker) -> None:
    for _ in range(10 * LIMIT):
        breaker.note(HOST, HUNG, patient=True)
    assert breaker.admits(HOST)


def test_nine_dead_pictures_in_ten_do_not_trip_it() -> None:
    chance, tripped = random.Random(3), 0
    for _ in range(100):
        breaker = Breaker()
        for _ in range(300):
            breaker.note(HOST, STORED if chance.random() < 0.1 else HUNG)
        tripped += not breaker.admits(HOST)
    assert tripped <= 5
