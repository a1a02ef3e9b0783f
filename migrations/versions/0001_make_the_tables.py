"""Make the tables."""

import sqlalchemy as sa
from alembic import op

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def create_state() -> None:
    """Make what is needed to answer for the present state."""
    op.create_table(
        "claims",
        sa.Column("scope", sa.String(length=160), nullable=False),
        sa.Column("value", sa.String(length=128), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("scope", "value", name="pk_claims"),
    )
    op.create_index("ix_claims_uid", "claims", ["uid"], unique=False)

    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "objects",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("assigned", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", name="pk_objects"),
    )
    op.create_index("ix_objects_uid", "objects", ["uid"], unique=True)


def create_past() -> None:
    """Make what is kept of the past."""
    op.create_table(
        "changes",
        sa.Column("revision", NUMBER, autoincrement=False, nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("assigned", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_changes"),
    )
    op.create_table(
        "events",
        sa.Column("sequence", NUMBER, autoincrement=False, nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("uid", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_events"),
    )
    op.create_table(
        "history",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("assigned", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "generation", name="pk_history"),
    )
    op.create_index("ix_history_revision", "history", ["revision"], unique=False)

    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=256), nullable=False),
        sa.Column("at", sa.String(length=40), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )
    op.create_index("ix_requests_at", "requests", ["at"], unique=False)


def upgrade() -> None:
    """Bring the tables forward."""
    create_state()
    create_past()


def downgrade() -> None:
    """Bring the tables back."""
    for table in ("requests", "objects", "history", "events", "counters", "claims", "changes"):
        op.drop_table(table)
