"""What is particular to PostgreSQL: connecting, being the only daemon, and what its errors mean (SQLSTATE codes)."""

from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import NoSuchModuleError
from sqlalchemy.pool import NullPool

from controller.errors import Exhausted, HoldError, Invalid, Refused, Unavailable, Unsupported

SCHEME = "postgresql://"
_DRIVER = "postgresql+psycopg"
_CONNECT_TIMEOUT_S = 5
_LOCK = 0x686F6C64
"""The advisory lock that a daemon holds for as long as it is connected (pg_try_advisory_lock)."""

_NO_SPACE, _READ_ONLY = "53100", "25006"
_AWAY = ("08", "57P", "53")
"""Beginnings of codes for connections that broke, servers that stop or start, and resources that others have."""


def open_engine(url: str) -> Engine:
    """Return an engine; Unsupported when the driver is not installed."""
    try:
        return create_engine(
            read_url(url), poolclass=NullPool, connect_args={"connect_timeout": _CONNECT_TIMEOUT_S}
        )
    except (ModuleNotFoundError, NoSuchModuleError) as exc:
        raise Unsupported("the driver for PostgreSQL is missing: pip install 'hold[postgresql]'") from exc


def read_url(url: str) -> URL:
    """Return the parsed URL, for the driver that hold uses; Invalid when it is not one of PostgreSQL."""
    if not url.startswith(SCHEME):
        raise Invalid(f"the database's URL has to begin with {SCHEME}")
    return make_url(url).set(drivername=_DRIVER)


def take_lock(connection: Connection, label: str) -> None:
    """Keep other daemons out until the connection ends; Unavailable when one has the database."""
    with connection.begin():
        taken = connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).scalar()
    if not taken:
        raise Unavailable(f"{label} is in use by another daemon: give each daemon a database of its own")


def translate(cause: BaseException | None, label: str) -> HoldError:
    """Return the error for what the driver reports; without a code, the server was not reached."""
    code = getattr(cause, "sqlstate", None)
    words = " ".join(str(cause).split())
    if code == _NO_SPACE:
        return Exhausted(f"no space left for {label}: free some on the server")
    if code is None or code.startswith(_AWAY):
        return Unavailable(f"{label} can't be reached: {words}")
    if code == _READ_ONLY:
        return Refused(f"{label} can't be written: {words}")
    return Refused(f"{label}: {words}")
