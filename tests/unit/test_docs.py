"""The documents say what is there: every setting, verb and task; every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from luigi_tasks.__main__ import VERBS
from luigi_tasks.settings import Settings

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted([REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md")])
OPERATIONS = (REPOSITORY / "docs" / "operations.md").read_text()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_with_its_default(name: str) -> None:
    default = Settings.model_fields[name].default
    text = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
    shown = "none" if default is None else f"`{text}`"
    assert f"| `{name.upper()}` | {shown} | {Settings.model_fields[name].description} |" in OPERATIONS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_documented(verb: str) -> None:
    assert any(re.search(rf"luigi_tasks {verb}\b|`{verb}`", document.read_text()) for document in DOCUMENTS), verb


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text())
    missing = [target for target in targets if not (document.parent / target).exists()]
    assert missing == []


def test_every_picture_is_in_a_document_and_small() -> None:
    shown = {Path(name).name for text in DOCUMENTS for name in re.findall(r"!\[.*?\]\(([^)]+)\)", text.read_text())}
    there = {path.name: path.stat().st_size for path in (REPOSITORY / "docs" / "images").iterdir()}
    assert there.keys() == shown
    assert max(there.values()) < 160_000


def test_every_decision_is_in_the_list() -> None:
    folder = REPOSITORY / "docs" / "decisions"
    index = (folder / "README.md").read_text()
    assert [path.name for path in folder.glob("0*.md") if path.name not in index] == []


def test_every_setting_in_the_environment_example_is_one(tmp_path: Path) -> None:
    names = re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE)
    compose = (REPOSITORY / "docker-compose.yml").read_text()
    unknown = [name for name in names if name.lower() not in Settings.model_fields and f"${{{name}" not in compose]
    assert names
    assert unknown == ["COMPOSE_PROFILES"], "which is Compose's own"
