"""The shell of the gallery: the files that are the same for every collection, slimmed, and their digest."""

from __future__ import annotations

import functools
import hashlib
import re
from importlib import resources

KEPT_IN_REPOSITORY = "README.md"
BLANKS = re.compile(r"\s*([{}()\[\];,:?=<>&|!*])\s*")  # not around + and -, two of which are another operator


@functools.cache
def shell() -> dict[str, bytes]:
    """The files by name, as they are written; a page with all that it loads is below 100,000 bytes."""
    folder = resources.files("luigi_tasks") / "gallery"
    files = [file for file in folder.iterdir() if file.name != KEPT_IN_REPOSITORY]
    return {file.name: _slim(file.name, file.read_text()).encode() for file in files}


@functools.cache
def digest() -> str:
    """A word that changes when the shell does."""
    told = hashlib.sha256()
    for name, body in sorted(shell().items()):
        told.update(name.encode() + b"\0" + body + b"\0")
    return told.hexdigest()[:16]


def _slim(name: str, text: str) -> str:
    """Without indentation and whole lines of comment, which no line of ours means anything by; licences stay."""
    if name.endswith(".css"):
        text = re.sub(r"/\*(?!!).*?\*/", "", text, flags=re.DOTALL)
        return re.sub(r"\s*([{};,])\s*", r"\1", re.sub(r"(?<=[a-z-]):\s+", ":", text))
    if name.endswith((".js", ".html")) and ".min." not in name:
        lines = [line.strip() for line in text.splitlines()]
        tight = _tight if name.endswith(".js") else str
        return "\n".join(tight(line) for line in lines if line and not line.startswith("//")) + "\n"
    return text


def _tight(line: str) -> str:
    """Without the blanks around punctuation and the comment at the end; what stands in quotes stays as it is.

    A line with a template or a regular expression is left alone, for there quotes and blanks mean something else.
    """
    if "`" in line or re.search(r"(?<!/)/(?![/ ])", line):
        return line
    parts = re.split(r'("(?:[^"\\]|\\.)*")', re.sub(r'\s+// [^"]*$', "", line))
    return "".join(part if at % 2 else BLANKS.sub(r"\1", part) for at, part in enumerate(parts))
