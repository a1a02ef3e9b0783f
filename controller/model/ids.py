"""Identities and the grammar of names."""

import re
from typing import Annotated, Literal, NamedTuple, NewType

from pydantic import AfterValidator, Field

Uid = NewType("Uid", str)
"""128 random bits as 32 lower-case hex digits; never used twice, not even for the same name."""

Revision = NewType("Revision", int)
"""A place in the one global sequence of writes; 0 is before the first write."""

KindName = Literal["Container", "Network", "Volume", "Image"]
KINDS: tuple[KindName, ...] = ("Network", "Volume", "Image", "Container")
"""Every kind, in the order in which objects can be made: what is referred to comes first."""


class Key(NamedTuple):
    """Names one object; what queues carry."""

    kind: KindName
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


NAME_PATTERN = r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$"
_NAME = re.compile(NAME_PATTERN)


def check_name(name: str) -> str:
    """Return `name` if it is a legal object name; ValueError says what is wrong with it."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} is not a name: use 1 to 128 of a-z A-Z 0-9 _ . - and begin with a letter or digit"
        )
    return name


ObjectName = Annotated[str, AfterValidator(check_name)]
"""A reference to an object by name."""

UidText = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
