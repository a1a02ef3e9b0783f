"""A template's text cut into plain text and actions, and actions into words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from controller.cli.templates.errors import TemplateError

_WORD = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<number>[-+]?\d+(?:\.\d+)?)"""
    r"""|(?P<variable>\$\w*)|(?P<field>\.[A-Za-z_]\w*)|(?P<dot>\.)|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<declare>:=)|(?P<assign>=)|(?P<pipe>\|)|(?P<open>\()|(?P<close>\))|(?P<comma>,)""",
    re.DOTALL,
)
_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`', re.DOTALL)
_OPEN, _CLOSE = "{{", "}}"
_COMMENT_END = "*/"


@dataclass(frozen=True, slots=True)
class Word:
    """A word of an action; `kind` is the name of its group above."""

    kind: str
    text: str
    position: int

    @property
    def end(self) -> int:
        """The place behind it."""
        return self.position + len(self.text)


@dataclass(frozen=True, slots=True)
class Segment:
    """Plain text (`words` None) or an action."""

    text: str
    position: int
    words: tuple[Word, ...] | None = None


def split(template: str) -> list[Segment]:
    """Return the segments of a template, space trimmed where it asks for that, without comments."""
    segments: list[Segment] = []
    place, trims_next = 0, False
    while place < len(template):
        start = template.find(_OPEN, place)
        text = template[place:] if start < 0 else template[place:start]
        if trims_next:
            text = text.lstrip()
        if start < 0:
            segments.append(Segment(_unescape(text), place))
            break
        inside = start + len(_OPEN)
        if re.match(r"-\s", template[inside:]):
            text = text.rstrip()
            inside += 1
        end = _find_end(template, inside, start)
        segments.append(Segment(_unescape(text), place))
        content_end = end
        trims_next = bool(re.search(r"\s-$", template[inside:end]))
        if trims_next:
            content_end -= 1
        content = template[inside:content_end]
        if not content.strip().startswith("/*"):
            segments.append(Segment(content, start, tuple(_list_words(template, inside, content_end))))
        place = end + len(_CLOSE)
    return [each for each in segments if each.words is not None or each.text]


def _unescape(text: str) -> str:
    """Return plain text with Docker's `\\t` and `\\n` as the characters that they stand for."""
    return text.replace("\\t", "\t").replace("\\n", "\n")


def _find_end(template: str, place: int, start: int) -> int:
    """Return the place of the braces that end an action; those in quotes and comments do not count."""
    if template[place:].lstrip().startswith("/*"):
        place = template.find(_COMMENT_END, place)
        if place < 0:
            raise TemplateError("this comment has no end", start)
    while place < len(template):
        if template.startswith(_CLOSE, place):
            return place
        quoted = _QUOTED.match(template, place)
        place = quoted.end() if quoted else place + 1
    raise TemplateError("these braces are not closed", start)


def _list_words(template: str, place: int, end: int) -> Iterator[Word]:
    while place < end:
        match = _WORD.match(template, place, end)
        if match is None:
            letter = template[place]
            told = "this text has no end" if letter in '"`' else f"{letter!r} has no meaning here"
            raise TemplateError(told, place)
        if match.lastgroup != "space":
            yield Word(str(match.lastgroup), match[0], place)
        place = match.end()
