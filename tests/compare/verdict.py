"""What two answers of the probe to the same attempt say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

REFUSALS = frozenset({"EPERM", "EACCES", "ENOSYS", "EROFS"})
ABSENT = frozenset({"ENOENT", "ENODATA", "ENXIO", "ENODEV"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attempt, what came of it under Docker and under hold."""

    SAME: ClassVar[str] = ""
    STRICTER: ClassVar[str] = "stricter"
    WEAKER: ClassVar[str] = "WEAKER"

    name: str
    theirs: str
    ours: str
    verdict: str

    def __str__(self) -> str:
        return f"{self.name:34} {self.theirs[:40]:40} {self.ours[:40]:40} {self.verdict}".rstrip()


def is_closed(answer: str) -> bool:
    """Tell whether an attempt came to nothing because it was refused, or because there is nothing there."""
    return answer in REFUSALS | ABSENT


def compare(theirs: Mapping[str, str], ours: Mapping[str, str]) -> list[Row]:
    """Return a row for each attempt, in the order of Docker's answers."""
    return [
        Row(
            name=name,
            theirs=their,
            ours=ours.get(name, "missing"),
            verdict=_judge(name, their, ours.get(name, "missing")),
        )
        for name, their in theirs.items()
    ]


def _judge(name: str, their: str, our: str) -> str:
    if name.startswith("state Cap"):
        return _judge_sets(int(their, 16), int(our, 16))
    if name == "devices":
        return Row.WEAKER if set(our.split()) - set(their.split()) else Row.SAME
    if name.startswith("own namespace"):
        return Row.SAME if their == our else Row.STRICTER if our == "True" else Row.WEAKER
    if name.startswith(("state", "processes")):
        return Row.SAME if their == our else Row.WEAKER
    if is_closed(their) == is_closed(our):
        return Row.SAME
    return Row.STRICTER if is_closed(our) else Row.WEAKER


def _judge_sets(their: int, our: int) -> str:
    if our & ~their:
        return Row.WEAKER
    return Row.SAME if our == their else Row.STRICTER
