"""One daemon for one directory, one for an instance."""

import os
from pathlib import Path

import pytest

from controller.errors import Conflict, Refused
from controller.kernel.lock import exclusive, exclusive_instance


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


def test_the_second_of_an_instance_is_refused_and_told_who_the_first_is() -> None:
    first, other = f"a-{os.getpid()}", f"b-{os.getpid()}"
    with exclusive_instance(first), exclusive_instance(other):
        for _ in range(3):
            with (
                pytest.raises(Conflict, match=rf"pid {os.getpid()}\).*instance {first}.*--instance"),
                exclusive_instance(first),
            ):
                pytest.fail("two of a name")
    with exclusive_instance(first):
        pass
