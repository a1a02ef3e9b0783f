"""A daemon that watches a directory keeps what is declared there."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import Machine, wait_for


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Machine]:
    """A machine whose daemon watches `declared` below its scratch directory."""
    if os.environ.get("HOLD_TEST_HOST") != "1":
        pytest.skip("needs a test host")
    (tmp_path / "declared").mkdir()
    machine = Machine(tmp_path, options=["--manifests", str(tmp_path / "declared")])
    machine.start_daemon()
    yield machine
    (tmp_path / "declared").rename(tmp_path / "away")
    machine.purge()


def _volumes(machine: Machine) -> set[str]:
    return {line.partition("/")[2] for line in machine.succeed("get", "volumes", "-o", "name").split()}


def test_files_come_change_break_and_go(watching: Machine) -> None:
    directory = watching.scratch_path / "declared"
    (directory / "a.yaml").write_text(
        "kind: Volume\nmetadata: {name: a}\n---\nkind: Volume\nmetadata: {name: b}\n"
    )
    wait_for(lambda: _volumes(watching) == {"a", "b"}, "both volumes")
    (directory / "team").mkdir()
    (directory / "team" / "c.yaml").write_text("kind: Volume\nmetadata: {name: c}\n")
    wait_for(lambda: _volumes(watching) == {"a", "b", "c"}, "the third volume")
    (directory / "a.yaml").write_text("kind: Volume\nmetadata: {name: [")
    wait_for(lambda: "Error" in watching.succeed("get", "sources"), "the error")
    assert "a.yaml" in watching.succeed("events")
    assert _volumes(watching) == {"a", "b", "c"}
    (directory / "a.yaml").write_text("kind: Volume\nmetadata: {name: a}\n")
    wait_for(lambda: _volumes(watching) == {"a", "c"}, "the mended file")
    wait_for(lambda: "Error" not in watching.succeed("get", "sources"), "no error")
    conflict = watching.hold("apply", "-f", "-", stdin="kind: Volume\nmetadata: {name: a, labels: {x: y}}\n")
    assert conflict.returncode == 1
    assert "manifests:." in conflict.stderr
    (directory / "team" / "c.yaml").unlink()
    wait_for(lambda: _volumes(watching) == {"a"}, "the deletion")


def test_it_holds_over_a_killed_daemon(watching: Machine) -> None:
    directory = watching.scratch_path / "declared"
    (directory / "a.yaml").write_text("kind: Volume\nmetadata: {name: a}\n")
    (directory / "gone.yaml").write_text("kind: Volume\nmetadata: {name: gone}\n")
    wait_for(lambda: _volumes(watching) == {"a", "gone"}, "the volumes")
    watching.kill_daemon()
    (directory / "gone.yaml").unlink()
    watching.start_daemon()
    wait_for(lambda: _volumes(watching) == {"a"}, "the deletion")


def test_a_directory_lost_while_the_daemon_was_down_deletes_nothing(watching: Machine) -> None:
    directory = watching.scratch_path / "declared"
    subprocess.run(["mount", "-t", "tmpfs", "manifests", directory], check=True)
    try:
        (directory / "a.yaml").write_text("kind: Volume\nmetadata: {name: a}\n")
        wait_for(lambda: _volumes(watching) == {"a"}, "the volume")
        watching.kill_daemon()
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)
    watching.start_daemon()
    wait_for(lambda: "no manifests" in watching.succeed("get", "sources"), "the reason")
    assert "nothing is deleted" in watching.succeed("events")
    assert _volumes(watching) == {"a"}
    (directory / "b.yaml").write_text("kind: Volume\nmetadata: {name: b}\n")
    wait_for(lambda: _volumes(watching) == {"b"}, "the directory as it is now")
