"""Runs migrations: on the daemon's own connection, or for `alembic -x url=URL`."""

from alembic import context
from sqlalchemy import Connection, create_engine

from controller.store.tables import METADATA


def run(connection: Connection) -> None:
    """Run the migrations that were asked for, in the connection's transaction."""
    context.configure(connection=connection, target_metadata=METADATA, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = create_engine(context.get_x_argument(as_dictionary=True)["url"])
    with engine.begin() as connection:
        run(connection)
