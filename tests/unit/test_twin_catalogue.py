"""The twin's catalogue: the same bytes for the same seed, duplicates of both sorts, changes while it is served."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

from luigi_tasks.steps.measuring import measure
from luigi_tasks.steps.rendering import Source
from twin import Catalogue, Tag, Wallpaper

FINGERPRINT = """
import hashlib, sys
from twin import Catalogue
digest = hashlib.sha256()
for wallpaper in Catalogue.generate(24, seed=int(sys.argv[1]), small=True, others=6).snapshot()[1]:
    digest.update(repr((wallpaper.id, wallpaper.created_at, wallpaper.tags, wallpaper.views)).encode())
    digest.update(wallpaper.picture.body())
print(digest.hexdigest())
"""


def fingerprint(seed: int, hash_seed: str) -> str:
    """What another process makes of a seed."""
    return subprocess.run(
        [sys.executable, "-c", FINGERPRINT, str(seed)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": hash_seed},
        cwd=Path(__file__).parents[2],
    ).stdout


def listed(catalogue: Catalogue) -> list[Wallpaper]:
    """All wallpapers, oldest first."""
    return list(catalogue.snapshot()[1])


def decoded(wallpaper: Wallpaper) -> Image.Image:
    """The picture, fully decoded."""
    with Image.open(io.BytesIO(wallpaper.picture.body() or b"")) as image:
        return image.convert("RGB")


def distance(one: Wallpaper, other: Wallpaper) -> float:
    """Mean difference of two pictures brought to one small size, 0 to 255, brightness aside."""
    left, right = (decoded(each).resize((16, 16)).convert("L") for each in (one, other))
    gain = ImageStat.Stat(right).mean[0] / max(1.0, ImageStat.Stat(left).mean[0])
    return float(ImageStat.Stat(ImageChops.difference(left.point(lambda value: value * gain), right)).mean[0])


def test_two_processes_make_the_same_bytes_of_a_seed() -> None:
    first = fingerprint(1, "1")
    assert first == fingerprint(1, "2")
    assert first != fingerprint(2, "1")


def test_bytes_agree_with_what_the_listing_says() -> None:
    for wallpaper in listed(Catalogue.generate(40, small=True)):
        body = wallpaper.picture.body() or b""
        with Image.open(io.BytesIO(body)) as image:
            image.load()
            assert image.size == (wallpaper.width, wallpaper.height)
            assert Image.MIME[image.format or ""] == wallpaper.file_type
        assert wallpaper.file_size == len(body)
        assert max(image.size) <= 64
        assert len(set(wallpaper.colors)) == 5


def test_pictures_vary_in_kind_size_and_type() -> None:
    wallpapers = listed(Catalogue.generate(60))
    assert {wallpaper.file_type for wallpaper in wallpapers} == {"image/jpeg", "image/png"}
    assert len({(wallpaper.width, wallpaper.height) for wallpaper in wallpapers}) >= 8
    assert any(wallpaper.height > wallpaper.width for wallpaper in wallpapers)
    assert max(wallpaper.width for wallpaper in wallpapers) == 1920


def test_exact_duplicates_have_the_same_bytes_under_another_id() -> None:
    bodies = Counter(
        hashlib.sha256(w.picture.body() or b"").digest() for w in listed(Catalogue.generate(48, small=True))
    )
    assert sum(count - 1 for count in bodies.values()) == 4


def test_mosaics_are_pictures_of_their_own_but_for_one_in_fifty() -> None:
    wallpapers = listed(Catalogue.of_mosaics(500))
    bodies = {w.id: w.picture.body() or b"" for w in wallpapers}
    assert len(set(bodies.values())) == 490
    hashes = set()
    for body in set(bodies.values()):
        facts = measure(Source(body))
        assert facts.entropy > 3, "else duplicates would set it aside"
        hashes.add((facts.dhash, facts.phash))
    assert len(hashes) == 490
    assert all(Image.open(io.BytesIO(bodies[w.id])).size == (w.width, w.height) for w in wallpapers[:6])


@pytest.mark.parametrize(("position", "what"), [(5, "resized"), (8, "recompressed"), (10, "brighter")])
def test_near_duplicates_look_like_their_neighbour_and_have_other_bytes(position: int, what: str) -> None:
    wallpapers = listed(Catalogue.generate(24))
    near, base, stranger = wallpapers[position], wallpapers[position - 1], wallpapers[position + 7]
    assert near.picture.body() != base.picture.body(), what
    assert distance(base, near) < 6 < distance(base, stranger)
    assert ((near.width, near.height) != (base.width, base.height)) == (what == "resized")


def test_uploads_tie_within_the_same_second() -> None:
    groups = Counter(wallpaper.created_at for wallpaper in listed(Catalogue.generate(60, small=True)))
    assert max(groups.values()) > 1
    assert 10 < len(groups) < 60


def test_exactly_the_matching_ones_match() -> None:
    catalogue = Catalogue.generate(30, query="murloc", others=10, small=True)
    found = [w for w in listed(catalogue) if w.purity == "sfw" and any("murloc" in t.name for t in w.tags)]
    assert (len(found), len(catalogue)) == (30, 40)
    assert {wallpaper.purity for wallpaper in listed(catalogue)} == {"sfw", "sketchy", "nsfw"}


def test_upload_adds_the_newest_in_one_second_and_new_ids() -> None:
    catalogue = Catalogue.generate(10, small=True)
    before = listed(catalogue)
    fresh = catalogue.upload(3)
    assert len({wallpaper.created_at for wallpaper in fresh}) == 1
    assert fresh[0].created_at > max(wallpaper.created_at for wallpaper in before)
    assert listed(catalogue) == before + fresh
    assert len(set(catalogue.ids)) == 13


def test_changes_show_and_move_the_version() -> None:
    catalogue = Catalogue.generate(5, small=True)
    wallpaper = listed(catalogue)[2]
    versions = [catalogue.snapshot()[0]]
    catalogue.rerate(wallpaper.id, "sketchy")
    versions.append(catalogue.snapshot()[0])
    catalogue.bump_views(wallpaper.id, 7, 2)
    versions.append(catalogue.snapshot()[0])
    catalogue.retag(wallpaper.id, [Tag(9, "naaru")])
    versions.append(catalogue.snapshot()[0])
    now = catalogue.get(wallpaper.id)
    assert now is not None
    assert (now.purity, now.views, now.favorites) == ("sketchy", wallpaper.views + 7, wallpaper.favorites + 2)
    assert catalogue.tag(9) == Tag(9, "naaru")
    catalogue.delete(wallpaper.id)
    assert wallpaper.id not in catalogue
    assert versions == sorted(set(versions))


def test_wrong_changes_are_refused() -> None:
    catalogue = Catalogue.generate(2, small=True)
    with pytest.raises(KeyError):
        catalogue.delete("zzzzzz")
    with pytest.raises(ValueError, match="none of sfw"):
        catalogue.rerate(catalogue.ids[0], "clean")


def test_a_huge_catalogue_is_quick_and_shares_its_pictures() -> None:
    started = time.process_time()
    catalogue = Catalogue.generate(20_000, small=True, shared_picture=True)
    assert time.process_time() - started < 3
    by_picture: defaultdict[int, int] = defaultdict(int)
    for wallpaper in listed(catalogue):
        by_picture[id(wallpaper.picture)] += 1
    assert len(by_picture) <= 6
    assert len(set(catalogue.ids)) == 20_000


def test_files_are_served_as_they_are(tmp_path: Path) -> None:
    Image.new("RGB", (40, 20), "navy").save(tmp_path / "a.png")
    Image.new("RGB", (30, 50), "red").save(tmp_path / "b.jpg")
    one, two = listed(Catalogue.from_files(sorted(tmp_path.iterdir()), query="draenei"))
    assert (one.width, one.height, one.file_type) == (40, 20, "image/png")
    assert (two.width, two.height, two.file_type) == (30, 50, "image/jpeg")
    assert two.picture.body() == (tmp_path / "b.jpg").read_bytes()
    assert two.file_size == (tmp_path / "b.jpg").stat().st_size


def test_a_file_of_another_type_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.gif")
    with pytest.raises(ValueError, match="only JPEG and PNG"):
        Catalogue.from_files([tmp_path / "a.gif"])


def test_captured_records_keep_their_order_and_values() -> None:
    samples = Path(__file__).parents[3] / "shared" / "wallhaven" / "samples"
    sample = samples / "search-2023-07-11-anon-latest.json"
    if not sample.exists():
        pytest.skip(f"no recorded samples at {samples}")
    records = json.loads(sample.read_text())["data"]
    catalogue = Catalogue.from_records(records, {records[0]["id"]: b"bytes"})
    assert catalogue.ids[::-1] == [record["id"] for record in records]
    first = catalogue.get(records[0]["id"])
    assert first is not None
    assert first.picture.body() == b"bytes"
    assert first.file_size == records[0]["file_size"]
