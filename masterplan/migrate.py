"""Bring the database to the newest schema."""

from __future__ import annotations

from alembic import command
from alembic.config import Config

from masterplan.provision import provision
from masterplan.settings import PROJECT_ROOT


def migrate() -> None:
    """Provision the server, then run every migration that is missing; safe to repeat."""
    provision()
    command.upgrade(alembic_config(), "head")


def alembic_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(PROJECT_ROOT / "migrations"))
    return config
