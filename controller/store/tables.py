"""The tables. Bodies are JSON texts in the API's spelling; what is searched for is a column of its own."""

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

METADATA = MetaData(
    naming_convention={"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"},
)

_NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""A key that only grows; in SQLite, INTEGER PRIMARY KEY is the row's own number and needs no index."""

OBJECTS = Table(
    "objects",
    METADATA,
    Column("kind", String(32), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("uid", String(32), nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("assigned", Text, nullable=False),
    Index("ix_objects_uid", "uid", unique=True),
)
"""Every object that is not gone, as it is now. The primary key makes names unique."""

CLAIMS = Table(
    "claims",
    METADATA,
    Column("scope", String(160), primary_key=True),
    Column("value", String(128), primary_key=True),
    Column("uid", String(32), nullable=False),
    Index("ix_claims_uid", "uid"),
)
"""What only one object can have: an address of a network, a MAC, a host port, a bridge's name."""

CHANGES = Table(
    "changes",
    METADATA,
    Column("revision", _NUMBER, primary_key=True, autoincrement=False),
    Column("type", String(16), nullable=False),
    Column("body", Text, nullable=False),
    Column("assigned", Text, nullable=False),
)
"""The log that watchers go on from: one row for each revision, the newest ones without a gap."""

HISTORY = Table(
    "history",
    METADATA,
    Column("kind", String(32), primary_key=True),
    Column("name", String(256), primary_key=True),
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Column("assigned", Text, nullable=False),
    Index("ix_history_revision", "revision"),
)
"""The last generations of each object's spec; those of a deleted one stay until the log has forgotten it."""

EVENTS = Table(
    "events",
    METADATA,
    Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("type", String(16), nullable=False),
    Column("reason", String(64), nullable=False),
    Column("message", Text, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("name", String(256), nullable=False),
    Column("uid", String(32), nullable=False),
)
"""The newest events; `kind`, `name`, `uid` are empty for events of the daemon."""

REQUESTS = Table(
    "requests",
    METADATA,
    Column("id", String(256), primary_key=True),
    Column("at", String(40), nullable=False),
    Column("answer", Text, nullable=False),
    Index("ix_requests_at", "at"),
)
"""Answers to batches of the last day, so that a repeated request is not carried out twice."""

COUNTERS = Table(
    "counters",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""`revision` and `event`: the last numbers given; `compacted`: the last revision that the log has forgotten."""
