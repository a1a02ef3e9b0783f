"""The store's whole contract on PostgreSQL, and what a server can do that a file can't: be away, be taken by another."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from controller.errors import Unavailable
from controller.model.ids import Revision
from controller.store.database import Database
from controller.store.store import open_store
from tests.machine import wait_for
from tests.unit.test_store_basics import (
    SteppedClock,
    clock,
    deciding,
    make_volume,
    store,
    test_a_committed_object_is_there_after_reopening,
    test_a_compacted_revision_is_expired,
    test_a_decision_that_cannot_be_written_leaves_no_part_of_it,
    test_a_repeated_request_gets_the_first_answer,
    test_a_snapshot_never_changes,
    test_a_watcher_sees_every_change_once_across_a_restart,
    test_a_watcher_that_sleeps_too_long_is_dropped,
    test_an_equal_status_writes_nothing,
    test_claims_are_unique_whatever_decide_believes,
    test_deletion_is_marked_then_forgotten,
    test_events_are_kept_in_order_and_bounded,
    test_history_keeps_the_last_generations,
    test_objects_of_one_batch_can_swap_their_claims,
    test_the_generation_rises_with_the_spec_alone,
    test_what_decide_raises_passes_through_and_nothing_is_written,
)

__all__ = [
    "clock",
    "store",
    "test_a_committed_object_is_there_after_reopening",
    "test_a_compacted_revision_is_expired",
    "test_a_decision_that_cannot_be_written_leaves_no_part_of_it",
    "test_a_repeated_request_gets_the_first_answer",
    "test_a_snapshot_never_changes",
    "test_a_watcher_sees_every_change_once_across_a_restart",
    "test_a_watcher_that_sleeps_too_long_is_dropped",
    "test_an_equal_status_writes_nothing",
    "test_claims_are_unique_whatever_decide_believes",
    "test_deletion_is_marked_then_forgotten",
    "test_events_are_kept_in_order_and_bounded",
    "test_history_keeps_the_last_generations",
    "test_objects_of_one_batch_can_swap_their_claims",
    "test_the_generation_rises_with_the_spec_alone",
    "test_what_decide_raises_passes_through_and_nothing_is_written",
]
"""The suite and its fixtures, run here with the `url` below."""


class Server:
    """A PostgreSQL server with a socket and no network, as an account that may run one."""

    def __init__(self, directory_path: Path, programs_path: Path) -> None:
        self._directory_path = directory_path
        self._programs_path = programs_path
        account = pwd.getpwnam("postgres")
        os.chown(directory_path, account.pw_uid, account.pw_gid)
        self._uid, self._gid = account.pw_uid, account.pw_gid
        self.url = f"postgresql://hold@/postgres?host={directory_path}"
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", "data", "--auth=trust", "-U", "hold", "--no-sync", "--encoding=UTF8")

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = ("listen_addresses=", f"unix_socket_directories={self._directory_path}", "fsync=off")
        options = [word for setting in settings for word in ("-c", setting)]
        with (self._directory_path / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs_path / "postgres", "-D", "data", *options],
                cwd=self._directory_path, stdout=log, stderr=log, user=self._uid, group=self._gid, extra_groups=[],
            )  # fmt: skip
        wait_for(self._answers, "the server's answer")

    def stop(self) -> None:
        """End it, whoever is connected."""
        if self._process is not None:
            self._process.terminate()
            self._run("pg_ctl", "-D", "data", "stop", "-m", "immediate", "-w")
            self._process.wait()
            self._process = None

    def make_empty(self) -> None:
        """Drop whatever is in the database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")

    def _answers(self) -> bool:
        command = [str(self._programs_path / "pg_isready"), "-q", "-h", str(self._directory_path)]
        return subprocess.run(command, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._programs_path / program), *arguments],
            cwd=self._directory_path, check=program != "pg_ctl", capture_output=True,
            user=self._uid, group=self._gid, extra_groups=[],
        )  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A running server; needs Debian's postgresql."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        (pytest.fail if os.environ.get("HOLD_REQUIRE_KERNEL") == "1" else pytest.skip)("no postgresql here")
    directory_path = Path(tempfile.mkdtemp(dir="/run"))
    server = Server(directory_path, found[-1].parent)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(directory_path)


@pytest.fixture
def url(server: Server) -> str:
    """An empty database."""
    server.make_empty()
    return server.url


async def test_a_database_that_another_daemon_has_is_not_taken(url: str, clock: SteppedClock) -> None:
    async with open_store(url, clock):
        with pytest.raises(Unavailable, match="another daemon"):
            async with open_store(url, clock):
                pass
    async with open_store(url, clock):
        pass


async def test_a_server_that_was_away_is_found_again(server: Server, url: str, clock: SteppedClock) -> None:
    async with open_store(url, clock) as opened:
        await opened.commit(deciding(make_volume("before", 1)))
        server.stop()
        with pytest.raises(Unavailable, match="can't be reached"):
            await opened.commit(deciding(make_volume("meanwhile", 2)))
        assert len(opened.snapshot()) == 1
        server.start()
        await opened.commit(deciding(make_volume("after", 3)))
        assert {key.name for key in opened.snapshot()} == {"before", "after"}
    async with open_store(url, clock) as opened:
        assert {key.name for key in opened.snapshot()} == {"before", "after"}


async def test_what_was_written_while_nobody_could_tell_is_caught_up_with(
    server: Server, url: str, clock: SteppedClock
) -> None:
    """As if the answer to a commit had been lost with the connection."""
    async with open_store(url, clock) as opened:
        changes = opened.watch(Revision(0))
        await opened.commit(deciding(make_volume("before", 1)))
        server.stop()
        server.start()
        async with open_store(url, clock) as other:
            await other.commit(deciding(make_volume("unanswered", 2)))
        with pytest.raises(Unavailable):
            await opened.commit(deciding(make_volume("noticed", 3)))
        await opened.commit(deciding(make_volume("after", 4)))
        seen = [await anext(changes) for _ in range(3)]
        assert [change.resource.metadata.name for change in seen] == ["before", "unanswered", "after"]
        assert [change.revision for change in seen] == [1, 2, 3]
        assert {key.name for key in opened.snapshot()} == {"before", "unanswered", "after"}


def test_a_password_is_never_told() -> None:
    database = Database("postgresql://hold:secret@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as caught:
        database.open()
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
