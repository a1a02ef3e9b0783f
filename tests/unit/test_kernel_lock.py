"""One daemon for one directory."""

import os
from pathlib import Path

import pytest

from controller.errors import Conflict, Refused
from controller.kernel.lock import exclusive


def test_the_second_is_refused_and_told_who_the_first_is(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / "root"),
        pytest.raises(Conflict, match=f"pid {os.getpid()}"),
        exclusive(tmp_path / "root"),
    ):
        pytest.fail("two holders")


def test_it_can_be_taken_again_after_the_first(tmp_path: Path) -> None:
    for _ in range(2):
        with exclusive(tmp_path):
            assert (tmp_path / "hold.lock").read_text() == f"{os.getpid()}\n"


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="can't be used"), exclusive(tmp_path / "file"):
        pytest.fail("held")
