"""The raw object: whole or refused, the same bytes for the same response, readable with zcat, without secrets."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import gzip
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luigi_tasks.domain import envelope as envelopes
from luigi_tasks.domain.envelope import Envelope
from luigi_tasks.domain.errors import SourceError, StoreError

MOMENT = datetime.datetime(2026, 11, 21, 7, 0, 3, 250_000, tzinfo=datetime.UTC)


def envelope_of(body: bytes) -> Envelope:
    """An envelope that fits the body."""
    return Envelope(
        run_key="wallhaven/draenei-1a2b3c4d/2026-11-21T07:00",
        source="wallhaven",
        entity="search",
        page_name="page-00001",
        request={"method": "GET", "path": "/search", "params": {"q": "draenei"}},
        status=200,
        headers={"content-type": "application/json; charset=utf-8"},
        fetched_at=MOMENT,
        sha256=envelopes.digest(body),
        body_bytes=len(body),
        code_version="0.1.0",
    )


@given(st.binary(max_size=2000))
def test_what_is_packed_comes_back_to_the_bit(body: bytes) -> None:
    assert envelopes.unpack(envelopes.pack(envelope_of(body), body)) == (envelope_of(body), body)


@given(st.binary(max_size=500))
def test_zcat_head_is_the_envelope_and_tail_the_body(body: bytes) -> None:
    text = gzip.decompress(envelopes.pack(envelope_of(body), body))
    first, rest = text[: text.index(b"\n")], text[text.index(b"\n") + 1 :]
    assert json.loads(first)["sha256"] == envelopes.digest(body)
    assert rest == body


def test_the_same_response_gives_the_same_bytes() -> None:
    first = envelopes.pack(envelope_of(b"{}"), b"{}")
    shuffled = dataclasses.replace(envelope_of(b"{}"), request=dict(reversed(envelope_of(b"{}").request.items())))
    assert envelopes.pack(shuffled, b"{}") == first


@given(st.data())
def test_no_damage_goes_unnoticed(data: st.DataObject) -> None:
    body = b'{"data": [1, 2, 3], "meta": {"total": 3}}'
    packed = bytearray(envelopes.pack(envelope_of(body), body))
    if data.draw(st.booleans()):
        packed = packed[: data.draw(st.integers(0, len(packed) - 1))]
    else:
        packed[data.draw(st.integers(0, len(packed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(StoreError):  # a flipped bit of gzip's own header is harmless
        assert envelopes.unpack(bytes(packed)) == (envelope_of(body), body)


@pytest.mark.parametrize("packed", [b"", b"no gzip", gzip.compress(b"no JSON\n", mtime=0)])
def test_what_is_no_raw_object_is_refused_with_words(packed: bytes) -> None:
    with pytest.raises(StoreError, match=r"damaged.*another run id"):
        envelopes.unpack(packed)


def test_another_body_under_the_envelope_is_refused_and_named() -> None:
    packed = gzip.compress(gzip.decompress(envelopes.pack(envelope_of(b"one"), b"one")).replace(b"\none", b"\ntwo"))
    with pytest.raises(StoreError, match=r"SHA-256.*2026-11-21T07:00 page-00001"):
        envelopes.unpack(packed)


def bomb(envelope: Envelope, body: bytes) -> bytes:
    """What somebody who can write to the bucket may put there: a raw object by all rules, however large its body."""
    line = json.dumps(dataclasses.asdict(envelope) | {"fetched_at": MOMENT.isoformat()}).encode() + b"\n"
    return gzip.compress(line) + gzip.compress(body, 1)


def peak_of(packed: bytes, words: str) -> int:
    """Bytes that were in use at most while an object was refused with these words."""
    tracemalloc.start()
    try:
        with pytest.raises(StoreError, match=words):
            envelopes.unpack(packed)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_body_longer_than_its_envelope_says_is_not_unpacked_to_the_end() -> None:
    packed = bomb(envelope_of(b"{}"), b" " * (32 << 20))
    assert peak_of(packed, r"more than the 2 bytes.*page-00001.*another run id") < 8 << 20


def test_an_honest_looking_bomb_unpacks_200_fold_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelopes, "ALWAYS_UNPACKED", 1 << 20)
    body = b" " * (32 << 20)
    packed = bomb(envelope_of(body), body)
    assert peak_of(packed, f"more than the {200 * len(packed)} bytes") < 200 * len(packed) * 3 < len(body) * 3
    with pytest.raises(SourceError, match="say so little"):
        envelopes.pack(envelope_of(body), body)


def test_a_first_line_that_never_ends_is_refused() -> None:
    assert peak_of(gzip.compress(b" " * (80 << 20), 1), "damaged") < 64 << 20


@pytest.mark.parametrize("said", ["2", None, [2], {}])
def test_an_envelope_that_says_no_length_is_not_believed(said: object) -> None:
    packed = bomb(dataclasses.replace(envelope_of(b"{}"), body_bytes=said), b"{}")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        envelopes.unpack(packed)


def test_what_the_defaults_let_in_is_read_again_however_alike_it_is() -> None:
    body = b"a,b,c\n" * ((16 << 20) // 6)
    assert envelopes.unpack(envelopes.pack(envelope_of(body), body))[1] == body


def test_headers_that_carry_secrets_are_dropped() -> None:
    headers = {"Set-Cookie": "session=canary", "X-API-Key": "canary", "Authorization": "canary", "COOKIE": "canary"}
    kept = envelopes.safe_headers({**headers, "X-RateLimit-Remaining": "3", "Content-Type": "text/html"})
    assert kept == {"content-type": "text/html", "x-ratelimit-remaining": "3"}


@pytest.mark.parametrize(
    ("header", "media_type"),
    [("application/json; charset=utf-8", "application/json"), ("Text/HTML", "text/html"), (None, "")],
)
def test_content_type_without_its_parameters(header: str | None, media_type: str) -> None:
    headers = {} if header is None else {"content-type": header}
    assert dataclasses.replace(envelope_of(b""), headers=headers).content_type == media_type
