"""Alembic's entry: migrations run as the owner, in one transaction."""

from alembic import context
from sqlalchemy import create_engine

from masterplan.database import owner_url
from masterplan.tables import metadata


def run() -> None:
    engine = create_engine(owner_url())
    with engine.begin() as connection:
        context.configure(
            connection=connection, target_metadata=metadata, version_table_schema="public"
        )
        context.run_migrations()
    engine.dispose()


run()
