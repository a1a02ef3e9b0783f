"""The one door to the database: opening it, transactions, and what its errors mean."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, StaticPool

from controller.errors import AlreadyExists, Damaged, Exhausted, HoldError, Refused, Unavailable
from controller.store import postgresql

_LOCK_TIMEOUT_S = 1.0

_PRAGMAS = (
    "PRAGMA locking_mode=EXCLUSIVE",  # before the first access: no other daemon, no shared memory file
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA wal_autocheckpoint=1000",
    "PRAGMA temp_store=MEMORY",
)


def derive_url(database_path: str) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{database_path}"


def find_path(url: str) -> str | None:
    """Return the file of a SQLite URL; None for other databases."""
    parsed = make_url(url)
    return parsed.database if parsed.get_backend_name() == "sqlite" else None


class Database:
    """A connection for the thread that opened it, and for no other."""

    def __init__(self, url: str) -> None:
        self.path = find_path(url)
        self.label = self.path or make_url(url).render_as_string(hide_password=True)
        if self.path is None:
            self._engine = postgresql.open_engine(url)
        else:
            self._engine = create_engine(
                url, poolclass=StaticPool, connect_args={"timeout": _LOCK_TIMEOUT_S, "isolation_level": None}
            )
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        self._connection: Connection | None = None
        self._is_open = False
        self._is_in_doubt = False

    def open(self) -> None:
        """Connect, and take the file for ourselves.

        Damaged when it is not a database, Refused when it can't be written, Unavailable when another daemon has it.
        """
        with self._translated():
            if self.path is not None:
                self._make_directory(Path(self.path).parent)
            self._connect()
            self._is_open = True

    @property
    def is_in_doubt(self) -> bool:
        """Whether a connection was lost, perhaps while it committed: what is stored may be more than was answered."""
        return self._is_in_doubt

    def believe(self) -> None:
        """Say that what is stored was looked at, and is known."""
        self._is_in_doubt = False

    def close(self) -> None:
        """Disconnect; may be called twice."""
        self._is_open = False
        self._disconnect()
        self._engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Run a transaction that is durable at the end of the block, or leaves no trace when the block raises.

        Unavailable when the server is away; the next transaction connects anew.
        """
        if not self._is_open:
            raise Unavailable(f"{self.label} is closed")
        with self._translated():
            connection = self._connection or self._connect()
            try:
                with connection.begin():
                    yield connection
            finally:
                if connection.in_transaction():
                    connection.rollback()

    def copy_to(self, target_path: str) -> None:
        """Write a consistent copy of the SQLite file; an older file at `target_path` is replaced."""
        if self._connection is None:
            raise Unavailable(f"{self.label} is closed")
        with self._translated():
            Path(target_path).unlink(missing_ok=True)
            driver = self._connection.connection.driver_connection
            if isinstance(driver, sqlite3.Connection):
                driver.execute("VACUUM INTO ?", (target_path,))

    def _make_directory(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as exc:
            raise Refused(f"{directory} can't be made: {exc.strerror}") from exc

    def _connect(self) -> Connection:
        """Connect, with nobody else on the database."""
        connection = self._connection = self._engine.connect()
        taken = False
        try:
            if self.path is None:
                postgresql.take_lock(connection, self.label)
            else:
                self._check(connection)
            taken = True
        finally:
            if not taken:
                self._disconnect()
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _check(self, connection: Connection) -> None:
        """Take the lock by a first write, and have SQLite look over its pages."""
        with connection.begin():
            answer = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
        if answer != "ok":
            raise self._damaged(str(answer))

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError as exc:
            raise AlreadyExists(
                f"{self.label}: an object with the same name or claim exists: {exc.orig}"
            ) from exc
        except DBAPIError as exc:
            if exc.connection_invalidated:
                self._is_in_doubt = True
                self._disconnect()
            raise self._translate(exc.orig) from exc
        except sqlite3.Error as exc:
            raise self._translate(exc) from exc
        except SQLAlchemyError as exc:
            raise Refused(f"{self.label}: {exc}") from exc

    def _translate(self, cause: BaseException | None) -> HoldError:
        """Return the error for what the driver reports (sqlite.org/rescode.html: the low byte is the primary code)."""
        if self.path is None:
            return postgresql.translate(cause, self.label)
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        match code:
            case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
                return self._damaged(str(cause))
            case sqlite3.SQLITE_FULL:
                return Exhausted(f"no space left for {self.label}: free some on its file system")
            case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
                return Unavailable(f"{self.label} is in use by another process: is another daemon running?")
            case (
                sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_IOERR
            ):
                return Refused(
                    f"{self.label} can't be written: {cause}; check the directory and its file system"
                )
            case _:
                return Refused(f"{self.label}: {cause}")

    def _damaged(self, detail: str) -> Damaged:
        return Damaged(
            f"{self.label} is damaged ({detail}): move it away together with its -wal file, then restore a copy "
            "(hold makes one before each migration), or start empty and apply the manifests again"
        )


def _prepare_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
