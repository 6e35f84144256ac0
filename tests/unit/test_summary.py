"""The summary's words: true numbers, none that nobody counted, and what to type next."""

from __future__ import annotations

from typing import Any

import pytest

from luigi_tasks.steps.summary import built_before, lines

RUN = {
    "run_key": "wallhaven/draenei-1a2b3c4d/2026-11-21T07:00",
    "run_id": "2026-11-21T07:00",
    "query": "blue draenei",
    "state": "succeeded",
    "error": None,
    "collection": {},
    "claimed_total": None,
    "contact_sheet": None,
    "certificate": None,
}
NEWEST = {"uploaded_at": "2026-11-20 18:30:05", "record_id": "w00060"}
OLDEST = {"uploaded_at": "2025-01-02 03:04:05", "record_id": "w00001"}
CERTIFICATE = {
    "ordered": True,
    "stopped_at": "end",
    "ids_seen": 60,
    "gaps": [],
    "intervals": [{"newest": NEWEST, "oldest": OLDEST, "to_end": True}],
}
COUNTED = {
    "duration_seconds": 61.2,
    "seen": 60,
    "api_calls": 63,
    "inserted": 5,
    "updated": 2,
    "quarantined": 0,
    "received": 60,
    "uploaded": 5,
    "bytes": 2048,
    "failures": 0,
    "failures_by_reason": {},
    "pending_after": 0,
}


def said(**facts: Any) -> list[str]:
    """The summary of a counted run."""
    return lines({**RUN, **COUNTED, "collection": {"stored": 60}, **facts})


def test_a_whole_run() -> None:
    assert said(claimed_total=61, contact_sheet="var/sheet.webp", certificate=CERTIFICATE) == [
        "Run wallhaven/draenei-1a2b3c4d/2026-11-21T07:00 succeeded in 1:01",
        "  seen        60 of 61 that the source claims, 63 API answers",
        "  new         5, changed 2, quarantined 0",
        "  uploaded    5 pictures, 2.0 KiB",
        "  pending     0 pictures due now",
        "  collection  stored 60",
        "  pictures    var/sheet.webp",
        "  certificate complete from 2025-01-02 03:04:05 to 2026-11-20 18:30:05, 60 ids, no known gap",
        "  next        nothing to mend; leave it to cron (deploy/crontab)",
    ]


def test_a_run_that_nobody_counted_has_no_numbers() -> None:
    text = lines({**RUN, "state": "failed", "error": "Fetch: 403: the source refuses us."})
    assert text == [
        "Run wallhaven/draenei-1a2b3c4d/2026-11-21T07:00 failed",
        "  error       Fetch: 403: the source refuses us.",
        "  certificate none: the crawl is not complete, nothing is claimed",
        "  next        mend it, then: luigi --module luigi_tasks Collect --query 'blue draenei'"
        " --run-id 2026-11-21T07:00",
    ]


def test_each_number_that_nobody_counted_is_left_out() -> None:
    text = "\n".join(said(duration_seconds=None, pending_after=None, claimed_total=None, contact_sheet=None))
    assert text.startswith(f"Run {RUN['run_key']} succeeded\n")
    for words in ("pending", "claims", "pictures    ", "failed"):
        assert words not in text


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"stopped_at": "known"}, ", 60 ids, no known gap, older ones as earlier runs certified them"),
        ({"stopped_at": "known", "intervals": []}, "complete, 60 ids, no known gap, older ones as earlier runs"),
        (
            {"gaps": [{"newer": NEWEST, "older": OLDEST}, {"newer": OLDEST, "older": None}]},
            ", 60 ids, not certain to be read: 2025-01-02 03:04:05 to 2026-11-20 18:30:05, ? to 2025-01-02 03:04:05",
        ),
        ({"gaps": [{"newer": NEWEST, "older": None}]}, "certificate incomplete from"),
        ({"ordered": False, "intervals": []}, "none: in this order nobody can tell"),
    ],
)
def test_a_certificate_says_what_it_does_not_claim(facts: dict[str, Any], words: str) -> None:
    (line,) = [line for line in said(certificate={**CERTIFICATE, **facts}) if "certificate" in line]
    assert words in line
    assert ("no known gap" in line) == (not facts.get("gaps") and facts.get("ordered", True))


def test_failures_are_told_by_reason() -> None:
    text = said(failures=3, failures_by_reason={"unreachable": 1, "corrupt": 2})
    assert "  failed      3: corrupt 2, unreachable 1" in text


def test_fields_that_the_schema_does_not_know_are_reported() -> None:
    assert "  notice      fields that the schema does not know: blurhash" in said(unexpected_fields=["blurhash"])


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"certificate": {**CERTIFICATE, "gaps": [{"newer": NEWEST, "older": OLDEST}]}}, "the next one reads"),
        ({"quarantined": 1, "failures": 1}, "quarantine list"),
        ({"failures": 1}, "later runs try the failed ones again"),
        ({"pending_after": 9}, "run it again"),
        ({}, "nothing to mend"),
    ],
)
def test_the_next_step_fits(facts: dict[str, Any], words: str) -> None:
    assert words in said(**facts)[-1]


def test_quarantined_records_are_a_warning_with_their_share() -> None:
    assert "  warning     2 of 60 records are in quarantine" in said(quarantined=2)
    assert not any("warning" in line for line in said())


def test_a_host_that_was_given_up_is_named() -> None:
    assert "  stopped     host w.example does not answer" in said(stopped=["host w.example does not answer"])


def test_a_run_that_built_nothing_names_the_build_that_stands_for_it() -> None:
    assert "  models      nothing to build since build 7" in said(built_before=7)
    assert not any("nothing to build" in line for line in said(built_before=None))
    skipped, built = {"skipped": 1, "build": 7}, {"success": 20, "pass": 40}
    assert built_before({"Model": skipped}) == 7, "a source without pictures"
    assert built_before({"Model": skipped, "Remodel": {"skipped": 1}}) == 7
    assert built_before({"Model": skipped, "Remodel": built}) is None
    assert built_before({"Model": built, "Remodel": skipped}) is None
    assert built_before({}) is None
