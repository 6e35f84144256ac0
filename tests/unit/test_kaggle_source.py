"""Kaggle's tables: commas that nobody quoted, cells that are no numbers, lines that lack cells."""

from __future__ import annotations

import pytest

from luigi_tasks.domain.errors import SettingsError, SourceError
from luigi_tasks.domain.loading import BadRecord, GoodRecord
from luigi_tasks.sources import kaggle
from luigi_tasks.sources.validation import RecordCheck

# Lines as the published styles.csv has them, the last two with their extra cells.
STYLES = b'''id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName
15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Turtle Check Men Navy Blue Shirt
59051,Women,Footwear,Shoes,Casual Shoes,Black,Winter,2012,Casual,Catwalk Women Black Shoes
6044,Men,Apparel,Topwear,Tshirts,Yellow,Summer,2011,Casual,"Gini, Jony Boys ""Tee"""
6695,Men,Apparel,Topwear,Tshirts,Grey,Summer,,Casual,Men's 5" Tee, slim fit, grey
7000,Boys,Apparel,Topwear,Tshirts,Red,Summer,2011,Casual,"unclosed, quote
'''


def sorted_lines(entity: str, body: bytes) -> list[GoodRecord | BadRecord]:
    check = RecordCheck(kaggle, kaggle.ENTITIES[entity])
    return [check.sort(number, record) for number, record in enumerate(kaggle.parse(entity, body).records)]


def paths(found: GoodRecord | BadRecord) -> list[str]:
    assert isinstance(found, BadRecord)
    return [violation["path"] for violation in found.violations]


def test_every_line_is_a_record_and_names_are_whole() -> None:
    records = kaggle.parse("styles", STYLES).records
    assert [record["id"] for record in records] == [15970, 59051, 6044, 6695, 7000]
    assert [record["productDisplayName"] for record in records[2:]] == [
        'Gini, Jony Boys "Tee"',
        "Men's 5\" Tee, slim fit, grey",
        '"unclosed, quote',
    ]
    assert [record["year"] for record in records] == [2011, 2012, 2011, None, 2011]
    assert all(isinstance(found, GoodRecord) for found in sorted_lines("styles", STYLES))


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (b"15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,20l1,Casual,Name", ["/year"]),
        (b"15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011.0,Casual,Name", ["/year"]),
        (b"15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,11,Casual,Name", ["/year"]),
        (b"n/a,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Name", ["/id"]),
        (b",Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Name", ["/id"]),
        (b"-4,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Name", ["/id"]),
        (b"15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011", ["", ""]),
        (b"15970,Men,Apparel,Topwear,Shirts,Navy Blue,Fall,2011,Casual,Caf\xe9", ["/productDisplayName"]),
    ],
)
def test_a_bad_cell_is_a_violation_and_never_null(line: bytes, where: list[str]) -> None:
    (found,) = sorted_lines("styles", STYLES.splitlines()[0] + b"\n" + line)
    assert paths(found) == where


def test_the_other_table() -> None:
    body = (
        b"\xef\xbb\xbffilename,link\r\n15970.jpg,http://assets.example/1.jpg\r\n39386.jpg,undefined\r\n../x.jpg,y\r\n"
    )
    good, other, bad = sorted_lines("images", body)
    assert [found.record_id for found in (good, other)] == ["15970.jpg", "39386.jpg"]
    assert paths(bad) == ["/filename"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"\x00\x01"])
def test_what_is_no_table_is_refused(body: bytes) -> None:
    with pytest.raises(SourceError, match="no column id"):
        kaggle.parse("styles", body)


def test_the_root_is_where_the_highest_table_stands() -> None:
    copies = ["images/1.jpg", "myntradataset/styles.csv", "styles.csv", "a/b/styles.csv"]
    assert kaggle.root(copies) == ""
    assert kaggle.root(["dataset/styles.csv", "dataset/dataset/styles.csv"]) == "dataset/"
    with pytest.raises(SourceError, match=r"no styles\.csv"):
        kaggle.root(["images/1.jpg"])


@pytest.mark.parametrize("text", ["", "owner", "owner/../name", "owner/name/more", "owner name/x", "/x"])
def test_only_owner_and_name_are_a_dataset(text: str) -> None:
    with pytest.raises(SettingsError, match="no dataset"):
        kaggle.query(text, {})
