"""The database is brought to the tables that this version knows, or left alone."""

import sqlite3
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from controller.errors import Damaged, Refused, Unavailable
from controller.store.database import Database, derive_url
from controller.store.migrate import HEAD, MIGRATIONS_PATH, ensure_current
from controller.store.tables import METADATA


def open_current(path: Path) -> None:
    database = Database(derive_url(str(path)))
    try:
        database.open()
        ensure_current(database)
    finally:
        database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "root" / "hold.db"


@pytest.fixture
def config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_PATH))
    config.set_main_option("path_separator", "newline")
    return config


def test_all_migrations_come_to_the_tables_of_the_code(path: Path, config: Config) -> None:
    path.parent.mkdir()
    engine = create_engine(derive_url(str(path)))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()
    open_current(path)


def test_a_new_database_is_at_the_newest_migration(path: Path, config: Config) -> None:
    open_current(path)
    engine = create_engine(derive_url(str(path)))
    with engine.connect() as connection:
        made = MigrationContext.configure(connection).get_current_revision()
    engine.dispose()
    assert made == ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_opening_again_changes_nothing(path: Path) -> None:
    open_current(path)
    before = path.read_bytes()
    open_current(path)
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["hold.db"]


def test_a_newer_version_is_refused_by_name(path: Path) -> None:
    open_current(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(Damaged, match=r"hold\.db was written by a newer version of hold.*9999"):
        open_current(path)


def test_a_copy_holds_what_the_file_holds(path: Path) -> None:
    open_current(path)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO counters VALUES ('revision', 7)")
    connection.close()
    database = Database(derive_url(str(path)))
    database.open()
    database.copy_to(f"{path}.before-{HEAD}")
    database.close()
    with sqlite3.connect(f"{path}.before-{HEAD}") as connection:
        assert connection.execute("SELECT value FROM counters").fetchall() == [(7,)]
    connection.close()


def test_a_file_of_others_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE birds (name TEXT)")
    connection.close()
    with pytest.raises(Damaged, match="not a state file of hold: it has the tables birds"):
        open_current(path)


def test_junk_is_damaged_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"junk" * 5000)
    with pytest.raises(Damaged, match=r"hold\.db is damaged .*restore a copy"):
        open_current(path)
    assert path.read_bytes() == b"junk" * 5000


def test_a_truncated_file_is_damaged(path: Path) -> None:
    open_current(path)
    path.write_bytes(path.read_bytes()[: 4096 * 3])
    with pytest.raises(Damaged, match=r"hold\.db is damaged"):
        open_current(path)


def test_a_directory_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(Refused, match=r"hold\.db can't be written"):
        open_current(path)


def test_a_second_daemon_is_refused(path: Path) -> None:
    first = Database(derive_url(str(path)))
    first.open()
    ensure_current(first)
    second = Database(derive_url(str(path)))
    with pytest.raises(Unavailable, match="another daemon"):
        second.open()
    second.close()
    first.close()
