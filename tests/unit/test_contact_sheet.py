"""The page of a run's pictures."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from PIL import Image

from luigi_tasks.domain.errors import StoreError
from luigi_tasks.gateways.folder_store import FolderStore
from luigi_tasks.steps.contact_sheet import GAP, GROUND, contact_sheet
from tests.pictures import encoded, picture


def stored(tmp_path: Path, *bodies: bytes) -> tuple[FolderStore, list[str]]:
    store, keys = FolderStore(tmp_path / "objects"), []
    for number, body in enumerate(bodies):
        keys.append(f"wallpapers/{number:06}.jpg")
        sha256 = hashlib.sha256(body).hexdigest()
        store.put_if_absent(keys[-1], body, content_type="image/jpeg", sha256=sha256, metadata={})
    return store, keys


def near(pixel: tuple[int, ...], colour: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 16 for one, other in zip(pixel, colour, strict=True))


def test_every_picture_has_its_place_in_the_order_of_the_keys(tmp_path: Path) -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)]
    store, keys = stored(tmp_path, *(encoded(Image.new("RGB", (480, 300), colour), "PNG") for colour in colours))
    sheet = tmp_path / "reports/run/sheet.webp"
    assert contact_sheet(store, keys, sheet, columns=3, cell=(48, 30)) == 5
    with Image.open(sheet) as image:
        assert (image.format, image.size) == ("WEBP", (3 * (48 + GAP) + GAP, 2 * (30 + GAP) + GAP))
        page = image.convert("RGB")
    for number, colour in enumerate(colours):
        row, column = divmod(number, 3)
        assert near(page.getpixel((GAP + column * (48 + GAP) + 24, GAP + row * (30 + GAP) + 15)), colour)
    assert near(page.getpixel((GAP + 2 * (48 + GAP) + 24, GAP + 30 + GAP + 15)), GROUND)
    assert [path.name for path in sheet.parent.iterdir()] == ["sheet.webp"]


def test_a_picture_of_another_shape_is_letterboxed(tmp_path: Path) -> None:
    store, keys = stored(tmp_path, encoded(Image.new("RGB", (100, 1000), (250, 0, 0)), "JPEG", quality=95))
    contact_sheet(store, keys, tmp_path / "sheet.webp", cell=(240, 150))
    with Image.open(tmp_path / "sheet.webp") as image:
        page = image.convert("RGB")
    assert near(page.getpixel((GAP + 120, GAP + 75)), (250, 0, 0))
    assert near(page.getpixel((GAP + 40, GAP + 75)), GROUND)


def test_small_pictures_stand_close_together(tmp_path: Path) -> None:
    store, keys = stored(tmp_path, *(encoded(Image.new("RGB", size, (250, 0, 0)), "PNG") for size in [(60, 80)] * 40))
    assert contact_sheet(store, keys, tmp_path / "sheet.webp", columns=8, cell=(240, 150)) == 40
    with Image.open(tmp_path / "sheet.webp") as image:
        columns = 8 * (240 + GAP) // (60 + GAP)
        assert image.size == (columns * (60 + GAP) + GAP, 2 * (80 + GAP) + GAP)


@pytest.mark.parametrize("mode", ["L", "CMYK", "P", "RGBA", "LA", "1", "I;16"])
def test_every_kind_of_picture_can_be_drawn(tmp_path: Path, mode: str) -> None:
    store, keys = stored(tmp_path, encoded(Image.new(mode, (300, 200)), "JPEG" if mode == "CMYK" else "PNG"))
    assert contact_sheet(store, keys, tmp_path / "sheet.webp") == 1


def test_the_same_pictures_give_the_same_bytes(tmp_path: Path) -> None:
    store, keys = stored(tmp_path, picture("JPEG", seed=1), picture("PNG", seed=2))
    for name in ("one.webp", "two.webp"):
        contact_sheet(store, keys, tmp_path / name)
    assert (tmp_path / "one.webp").read_bytes() == (tmp_path / "two.webp").read_bytes()


def test_no_more_than_two_hundred_are_drawn(tmp_path: Path) -> None:
    store, keys = stored(tmp_path, picture(size=(8, 5)))
    assert contact_sheet(store, keys * 300, tmp_path / "sheet.webp", cell=(8, 5)) == 200


def test_nothing_stored_means_no_file(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "objects")
    assert contact_sheet(store, [], tmp_path / "sheet.webp") == 0
    assert contact_sheet(store, ["wallpapers/taken-down.jpg"], tmp_path / "sheet.webp") == 0
    assert not (tmp_path / "sheet.webp").exists()


def test_a_stored_picture_that_rotted_is_named(tmp_path: Path) -> None:
    store, keys = stored(tmp_path, picture()[:400])
    with pytest.raises(StoreError, match=r"000000\.jpg.*fsck"):
        contact_sheet(store, keys, tmp_path / "sheet.webp")
