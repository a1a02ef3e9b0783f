"""The lines to compare, as they stand in the files beside this one.

A line is a piece of shell in which `docker` is the engine, `$n` a name of its own, and host ports and subnets of 10 begin with `$p`. Indented lines belong to the one
above. `@word` in front says that the engines are meant to differ: `word` is the row of docs/docker-differences.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One script; `reason` is the intended difference that it shows, empty when both are to answer alike."""

    topic: str
    number: int
    script: str
    reason: str = ""

    @property
    def name(self) -> str:
        """A name that no other line has."""
        return f"{self.topic}{self.number}"


def read_lines() -> list[Line]:
    """Return all lines, topic by topic."""
    return [line for path in sorted(_HERE.glob("*.txt")) for line in _read_topic(path)]


def _read_topic(path: Path) -> Iterator[Line]:
    for number, text in enumerate(_join(path.read_text()), start=1):
        reason, script = "", text
        if text.startswith("@"):
            reason, _, script = text[1:].partition(" ")
        yield Line(topic=path.stem, number=number, script=script.strip(), reason=reason)


def _join(text: str) -> list[str]:
    """Return the scripts of a file, each with its indented lines."""
    joined: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            joined[-1] += f"\n{line.strip()}"
        else:
            joined.append(line)
    return joined
