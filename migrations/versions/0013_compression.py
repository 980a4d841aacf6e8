"""Measures and results compressed by lz4: written and read in a third of the time of PostgreSQL's own method."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"

_DOCUMENTS = (("measurement", "measures"), ("past_measurement", "measures"), ("score", "results"))


def upgrade() -> None:
    _compress("lz4")


def downgrade() -> None:
    _compress("default")


def _compress(method: str) -> None:
    """What is written from now on; what is there is rewritten when it is measured again."""
    for table, column in _DOCUMENTS:
        op.execute(f"ALTER TABLE masterplan.{table} ALTER COLUMN {column} SET COMPRESSION {method}")
