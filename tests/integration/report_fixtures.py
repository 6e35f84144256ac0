"""A report as a browser would find it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """What a browser would find: tags with attributes, the text by the id of the section it stands in."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text, self.tags, self._open = path.read_text(), [], []  # type: ignore[var-annotated]
        self.words: dict[str, str] = {}
        self.tiles: dict[str, str] = {}
        self.feed(self.text)
        self.close()
        assert self._open == [], "every tag is closed"
        for value, name in re.findall(r'<div class="tile[^"]*"><b>(.*?)</b><span>(.*?)</span>', self.text):
            self.tiles[name] = value

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for _, name in self._open:
            if name:
                self.words[name] = f"{self.words.get(name, '')} {data.strip()}".strip()

    def assert_stands_alone(self) -> None:
        """Nothing is fetched and nothing runs, and the page forbids both besides."""
        assert {tag for tag, _ in self.tags} & {"script", "link", "iframe", "object", "embed", "base", "form"} == set()
        for tag, attributes in self.tags:
            assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
            assert attributes.get("src", "data:").startswith("data:image/webp;base64,") or "src" not in attributes
            assert not {"srcset", "background", "poster", "xlink:href"} & attributes.keys()
            if "href" in attributes:
                assert tag == "a"
        assert "url(" not in self.text
        assert "@import" not in self.text
        (policy,) = [a["content"] for t, a in self.tags if a.get("http-equiv") == "Content-Security-Policy"]
        assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
