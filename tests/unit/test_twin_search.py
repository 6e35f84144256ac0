"""The twin's search: every filter and order, and what the site does with values that it cannot read."""

from __future__ import annotations

from datetime import timedelta

import pytest

from twin import Catalogue, Wallpaper
from twin.search import Found, find
from twin.wallpaper import ratio_text

CATALOGUE = Catalogue.generate(60, others=20)
WALLPAPERS = CATALOGUE.snapshot()[1]
SFW = [wallpaper for wallpaper in WALLPAPERS if wallpaper.purity == "sfw"]


def search(**params: str) -> Found:
    """Search the catalogue without a key."""
    return find(WALLPAPERS, params, keyed=False, seed="aB3dE6")


def ids(wallpapers: list[Wallpaper] | Found) -> list[str]:
    """The ids in order."""
    shown = wallpapers.shown if isinstance(wallpapers, Found) else wallpapers
    return [wallpaper.id for wallpaper in shown]


def names(wallpaper: Wallpaper) -> str:
    """All tag names and aliases in one lower-case text."""
    return "|".join(f"{tag.name}|{tag.alias}" for tag in wallpaper.tags).lower()


def test_default_is_sfw_newest_first_with_ties_in_a_stable_order() -> None:
    assert ids(search()) == ids(SFW)[::-1]
    assert [w.created_at for w in search().shown] == sorted((w.created_at for w in SFW), reverse=True)
    assert ids(search(order="asc")) == ids(SFW)


@pytest.mark.parametrize(
    ("purity", "seen"), [("110", {"sfw", "sketchy"}), ("010", {"sketchy"}), ("111", {"sfw", "sketchy"})]
)
def test_purity_bits_without_a_key(purity: str, seen: set[str]) -> None:
    assert {wallpaper.purity for wallpaper in search(purity=purity).shown} == seen


def test_nsfw_needs_a_key_and_is_dropped_silently_without() -> None:
    assert search(purity="001").total == 0
    assert {wallpaper.purity for wallpaper in find(WALLPAPERS, {"purity": "001"}, keyed=True, seed="").shown} == {
        "nsfw"
    }


def test_categories() -> None:
    assert {wallpaper.category for wallpaper in search(categories="010").shown} == {"anime"}
    assert search(categories="abc").total == len(SFW)


@pytest.mark.parametrize(
    "params",
    [
        {"ratios": "sixteen"},
        {"atleast": "big"},
        {"resolutions": "1920*1080"},
        {"colors": "123456"},
        {"purity": "clean"},
        {"topRange": "1d"},
        {"per_page": "5"},
    ],
)
def test_a_filter_that_cannot_be_read_is_dropped(params: dict[str, str]) -> None:
    assert search(**params).total == len(SFW)


def test_invalid_sorting_shows_nothing_and_counts_everything() -> None:
    found = search(sorting="hot")
    assert (list(found.shown), found.total) == ([], len(SFW))


def test_views_ascending_shows_two_and_counts_everything() -> None:
    found = search(sorting="views", order="asc")
    assert ids(found) == [w.id for w in sorted(SFW, key=lambda w: w.views)[:2]]
    assert found.total == len(SFW)


@pytest.mark.parametrize("field", ["views", "favorites"])
def test_sorting_by_counters(field: str) -> None:
    counts = [getattr(wallpaper, field) for wallpaper in search(sorting=field).shown]
    assert counts == sorted(counts, reverse=True)
    assert len(counts) == len(SFW)


def test_random_is_a_permutation_that_follows_the_seed() -> None:
    one, again, other = (search(sorting="random", seed=seed) for seed in ("abc123", "abc123", "xyz789"))
    assert ids(one) == ids(again) != ids(other)
    assert sorted(ids(one)) == sorted(ids(SFW))
    assert one.seed == "abc123"
    assert search(sorting="random", seed="no").seed == "aB3dE6"
    assert search().seed is None


def test_toplist_is_recent_and_by_favourites() -> None:
    newest = max(wallpaper.created_at for wallpaper in WALLPAPERS)
    found = search(sorting="toplist", topRange="1d").shown
    recent = [wallpaper for wallpaper in SFW if wallpaper.created_at >= newest - timedelta(days=1)]
    assert 0 < len(recent) < len(SFW)
    assert sorted(ids(list(found))) == sorted(ids(recent))
    assert [w.favorites for w in found] == sorted((w.favorites for w in found), reverse=True)


def test_atleast_and_resolutions() -> None:
    large = search(atleast="1280x720").shown
    assert large
    assert all(w.width >= 1280 and w.height >= 720 for w in large)
    exact = search(resolutions="640x360,1920x1080").shown
    assert {(w.width, w.height) for w in exact} == {(640, 360), (1920, 1080)}


def test_ratios_compare_two_decimals_and_21x9_is_a_bucket() -> None:
    wide = {(w.width, w.height) for w in search(ratios="16x9").shown}
    assert {(1920, 1080), (1366, 768)} <= wide
    assert {ratio_text(*size) for size in wide} == {"1.78"}
    assert {w.ratio for w in search(ratios="21x9").shown} == {"2.39"}
    assert all(w.height > w.width for w in search(ratios="portrait").shown)
    assert search(ratios="portrait").total + search(ratios="landscape").total + search(ratios="1x1").total == len(SFW)


def test_colors_and_ai_art() -> None:
    color = SFW[0].colors[0]
    found = search(colors=color.removeprefix("#")).shown
    assert SFW[0].id in ids(list(found))
    assert all(color in wallpaper.colors for wallpaper in found)
    assert not any(wallpaper.ai_art for wallpaper in search(ai_art_filter="1").shown)
    assert search(ai_art_filter="1").total < search(ai_art_filter="0").total == len(SFW)


def test_a_word_is_fuzzy_and_an_id_is_exact() -> None:
    tag = CATALOGUE.query_tag
    fuzzy, exact = search(q="Draenei"), search(q=f"id:{tag.id}")
    assert fuzzy.total == 60
    assert set(ids(exact)) < set(ids(fuzzy))
    assert (fuzzy.query, exact.query) == ("Draenei", {"id": tag.id, "tag": "draenei"})


def test_plus_and_minus_terms() -> None:
    plus, minus = search(q="draenei +moon"), search(q="draenei -moon")
    assert plus.total > 0
    assert minus.total > 0
    assert plus.total + minus.total == 60
    assert all("moon" in names(wallpaper) for wallpaper in plus.shown)
    quoted = search(q='"world of warcraft"')
    assert quoted.total > 0
    assert all("world of warcraft" in names(wallpaper) for wallpaper in quoted.shown)


@pytest.mark.parametrize(
    ("q", "query"), [(None, None), ("", ""), ("type:png", ""), ("@velen", ""), ("two words", "two words")]
)
def test_what_meta_query_echoes(q: str | None, query: str | None) -> None:
    assert search(**({} if q is None else {"q": q})).query == query


def test_users_and_types() -> None:
    name = SFW[0].uploader.username
    assert {wallpaper.uploader.username for wallpaper in search(q=f"@{name}").shown} == {name}
    png, jpg = search(q="type:png"), search(q="type:jpg")
    assert png.total + jpg.total == len(SFW)
    assert {wallpaper.file_type for wallpaper in png.shown} == {"image/png"}


def test_like_includes_the_wallpaper_itself() -> None:
    liked = SFW[3]
    found = search(q=f"like:{liked.id}")
    assert liked.id in ids(found)
    assert found.total < len(SFW)
    assert search(q="like:zzzzzz").total == 0
