"""Settings of one running installation, all from the environment."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, HttpUrl
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def _apart(written: object) -> object:
    """What stands between the commas of a text."""
    return tuple(filter(None, map(str.strip, written.split(",")))) if isinstance(written, str) else written


class Settings(BaseSettings):
    """What a person who runs the application may set.

    Every field is read from `MASTERPLAN_<FIELD>`; the port also from `PORT`.
    """

    model_config = SettingsConfigDict(env_prefix="MASTERPLAN_", populate_by_name=True)

    #: Holds the private cluster, generated secrets and stamps; never committed.
    state_dir: Path = PROJECT_ROOT / ".masterplan"
    #: A PostgreSQL server of the user's own; empty means the private cluster.
    database_url: str | None = None
    database_name: str = "masterplan"
    #: Layers, criteria sets and documents of the place.
    data_dir: Path = PROJECT_ROOT / "data"
    host: str = "127.0.0.1"
    #: Names under which people reach the server through a proxy, in the environment with commas between them.
    allowed_hosts: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_apart)] = ()
    port: int = Field(default=8501, validation_alias="PORT")
    #: An online basemap by its name in xyzservices; none is needed, and none is asked unless named.
    basemap: str | None = None
    #: "staff" serves every page; "public" one that the public reaches, whose database login cannot be staff.
    process: Literal["staff", "public"] = "staff"
    #: Where the team's pages are, for those of the team who sign in on the public's.
    team_address: HttpUrl | None = None
    #: Where the public's pages are: links and QR codes shown by the team lead there.
    public_address: HttpUrl | None = None
    #: The provider of sign-in, unless Streamlit's secrets.toml has one: all four or none (`docs/sign-in.md`).
    sign_in_metadata_url: str | None = None
    sign_in_client_id: str | None = None
    sign_in_client_secret: str | None = Field(default=None, repr=False)
    #: The address that people open, to which the provider sends them back.
    sign_in_address: str | None = None
    #: Longest time from signing in to signing in again, whatever the provider allows.
    session_hours: int = Field(default=12, ge=1, le=720)
    #: Addresses and networks of the proxy in front, comma-separated; only its X-Forwarded-For is believed.
    trusted_proxy: str = ""
    #: Shows the role switch, if the other conditions of `masterplan.demonstration` hold too.
    demo: bool = False

    @property
    def project_root(self) -> Path:
        return PROJECT_ROOT


@cache
def settings() -> Settings:
    """The settings of this process, read once on first use."""
    return Settings()
