"""Bringing a database to the tables that this version of hold knows."""

from pathlib import Path

from sqlalchemy import Column, MetaData, String, Table, inspect

from controller.errors import Damaged
from controller.store.database import Database
from controller.store.tables import METADATA

HEAD = "0001"
"""The newest migration. A test holds it equal to that of the migrations' directory."""

_VERSIONS = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))
"""Where alembic keeps the last migration made."""

MIGRATIONS_PATH = Path(__file__).resolve().parents[2] / "migrations"
"""Beside the package, in a checkout as well as where a wheel is installed."""


def ensure_current(database: Database) -> None:
    """Migrate the database to HEAD, after a copy when there is anything in it.

    Damaged when it was written by a newer version, or has tables that are not hold's.
    """
    version = _read_version(database)
    if version is None:
        _create(database)
    elif version != HEAD:
        _migrate(database, version)


def _read_version(database: Database) -> str | None:
    """Return the last migration made; None for an empty database."""
    with database.transaction() as connection:
        tables = set(inspect(connection).get_table_names())
        if not tables:
            return None
        if "alembic_version" not in tables or not tables & set(METADATA.tables):
            names = ", ".join(sorted(tables))
            raise Damaged(f"{database.label} is not a state file of hold: it has the tables {names}")
        return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _create(database: Database) -> None:
    """Make the tables as they are now: what all migrations come to, which a test compares."""
    with database.transaction() as connection:
        METADATA.create_all(connection)
        _VERSIONS.create(connection)
        connection.execute(_VERSIONS.insert(), {"version_num": HEAD})


def _migrate(database: Database, version: str) -> None:
    # alembic takes a third of a second and 12 MB to import, and most starts don't need it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_PATH).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version not in known:
        raise Damaged(
            f"{database.label} was written by a newer version of hold (its tables are at {version}, this version knows "
            f"{HEAD}): start that version again, or restore the copy that it made before migrating"
        )
    if database.path is not None:
        database.copy_to(f"{database.path}.before-{HEAD}")
    with database.transaction() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
