"""How many pictures are in flight follows what gets done, and what the hosts say."""

from __future__ import annotations

from luigi_tasks.domain.publishing import Outcome, UploadOutcome
from luigi_tasks.steps.pace import FIRST_HANDS, SETTLED_SECONDS, Pace

STORED = UploadOutcome("a", Outcome.STORED, 0.1)
BUSY = UploadOutcome("a", Outcome.THROTTLED, 0.1, http_status=429)


class Machine:
    """Simulates a run by the clock: rate(hands) pictures get done in a second."""

    def __init__(self, rate) -> None:
        self.now, self.rate = 100.0, rate
        self.pace = Pace(64, lambda: self.now)

    def work(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            begun = 0
            while self.pace.room():
                self.pace.begin("h")
                begun += 1
            for _ in range(begun):
                self.now += 1 / self.rate(self.pace.hands)
                self.pace.end("h", STORED)


def test_while_more_hands_get_more_done_there_are_more() -> None:
    waiting = Machine(lambda hands: hands / 0.12)
    waiting.work(4)
    assert waiting.pace.hands == 64


def test_hands_that_get_nothing_more_done_are_taken_away_and_tried_again_later() -> None:
    computing = Machine(lambda hands: 400)
    computing.work(4)
    assert computing.pace.hands == FIRST_HANDS
    computing.rate = lambda hands: hands * 50
    computing.work(SETTLED_SECONDS + 3)
    assert computing.pace.hands == 64


def test_a_host_that_complains_gets_half_and_earns_it_back() -> None:
    pace = Pace(64, lambda: 0.0)
    for _ in range(8):
        pace.begin("h")
    pace.end("h", BUSY)
    for _ in range(3):
        pace.end("h", STORED)
    assert pace.is_full("h"), "four of the eight are still in flight, and four is what it gets"
    assert not pace.is_full("other")
    pace.end("h", None)
    assert not pace.is_full("h")
    for _ in range(3000):
        pace.begin("h")
        pace.end("h", STORED)
    assert "h" not in pace._limits


def test_all_hands_begin_at_once_where_the_first_answers_come_from_far() -> None:
    answers: list[float | None] = [None]
    pace = Pace(64, lambda: 0.0, answer_seconds=lambda: answers[0])
    assert (pace.room(), pace.hands) == (True, 16)
    answers[0] = 0.06
    assert (pace.room(), pace.hands) == (True, 64)
    for _ in range(100):
        pace.begin("h")
        pace.end("h", STORED)
    assert (pace.room(), pace.hands) == (True, 64), "none of them was quick"


def test_what_looked_far_because_the_machine_was_busy_is_tried_out_from_the_first_quick_answer() -> None:
    busy = Machine(lambda hands: 400)
    answers = [0.06]
    busy.pace = Pace(64, lambda: busy.now, answer_seconds=lambda: answers[0])
    busy.work(1)
    assert busy.pace.hands == 64
    answers[0] = 0.002
    busy.work(0.2)
    assert busy.pace.hands == FIRST_HANDS
    busy.work(4)
    assert busy.pace.hands == FIRST_HANDS, "more of them get nothing more done"


def test_near_hosts_get_more_hands_only_as_these_get_more_done() -> None:
    pace = Pace(64, lambda: 0.0, first=4, answer_seconds=lambda: 0.002)
    assert (pace.room(), pace.hands) == (True, 4)


def test_no_host_has_more_in_flight_than_the_settings_say() -> None:
    pace = Pace(64, lambda: 0.0, most_per_host=2)
    for _ in range(2):
        assert not pace.is_full("h")
        pace.begin("h")
    assert pace.is_full("h")
    assert not pace.is_full("other")
    pace.end("h", BUSY)
    assert pace.is_full("h"), "a host that complains gets still less"
    pace.end("h", STORED)
    assert not pace.is_full("h")
