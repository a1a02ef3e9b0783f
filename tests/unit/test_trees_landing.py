"""Where a copy lands: Docker's rules for `cp`, one row for each sentence of them."""

import pytest

from controller.errors import HoldError, Invalid, NotFound
from controller.trees.landing import Landing, Source, Target, choose_landing, rename

FILE = Source("a", is_directory=False)
FOLDER = Source("a", is_directory=True)
CONTENTS = Source("a", is_directory=True, contents=True)
ARCHIVE = Source("", is_directory=False)
INSIDE, BESIDE = True, False


def at(path: str, *, exists: bool = True, is_directory: bool = False) -> Target:
    return Target(path, exists=exists, is_directory=is_directory)


@pytest.mark.parametrize(
    ("source", "target", "landing"),
    [
        (FILE, at("/d/b", exists=False), Landing(BESIDE, "b")),
        (FILE, at("/d/b"), Landing(BESIDE, "b")),
        (FILE, at("/d", is_directory=True), Landing(INSIDE, "a")),
        (FILE, at("/d/", is_directory=True), Landing(INSIDE, "a")),
        (FOLDER, at("/d/b", exists=False), Landing(BESIDE, "b")),
        (FOLDER, at("/d/b/", exists=False), Landing(BESIDE, "b")),
        (FOLDER, at("/d", is_directory=True), Landing(INSIDE, "a")),
        (CONTENTS, at("/d", is_directory=True), Landing(INSIDE, "")),
        (CONTENTS, at("/d/b", exists=False), Landing(BESIDE, "b")),
        (ARCHIVE, at("/d", is_directory=True), Landing(INSIDE, None)),
    ],
)
def test_a_copy_lands(source: Source, target: Target, landing: Landing) -> None:
    assert choose_landing(source, target) == landing


@pytest.mark.parametrize(
    ("source", "target", "error", "told"),
    [
        (FILE, at("/d/b/", exists=False), NotFound, "/d/b/ does not exist: make the directory first"),
        (FILE, at("/d/b/"), Invalid, "/d/b/ is not a directory"),
        (FOLDER, at("/d/b"), Invalid, "/d/b is a file: a directory can't be copied to it"),
        (CONTENTS, at("/d/b"), Invalid, "/d/b is a file"),
        (ARCHIVE, at("/d/b"), Invalid, "/d/b is not a directory"),
        (ARCHIVE, at("/d/b", exists=False), NotFound, "/d/b does not exist"),
    ],
)
def test_a_copy_is_refused(source: Source, target: Target, error: type[HoldError], told: str) -> None:
    with pytest.raises(error, match=told):
        choose_landing(source, target)


@pytest.mark.parametrize(
    ("entry", "name", "renamed"),
    [("a/b/c", "x", "x/b/c"), ("a", "x", "x"), ("a/b", "", "b"), ("a", "", ""), ("a/b", None, "a/b")],
)
def test_the_first_part_of_entries_is_replaced(entry: str, name: str | None, renamed: str) -> None:
    assert rename(entry, name) == renamed
