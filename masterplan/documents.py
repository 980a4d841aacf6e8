"""The consultation's documents: a catalogue, and a place for each file.

`data/documents.toml` names them; `data/documents/<id>.pdf` is the one to read and
`data/documents/<id>.tif` the plate to lay over the map. A file counts from the
moment it is there: nothing is cached but the catalogue.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from masterplan.errors import NotFound
from masterplan.language import N_
from masterplan.settings import settings

_ID = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True)
class Document:
    """One document of the consultation."""

    id: str
    name_ro: str
    name_en: str

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ValueError(f"not an id for a document: {self.id!r}")

    @property
    def pdf(self) -> Path:
        """Where the file to read is, or is to be put."""
        return folder() / f"{self.id}.pdf"

    @property
    def raster(self) -> Path:
        """Where the georeferenced GeoTIFF is, or is to be put."""
        return folder() / f"{self.id}.tif"

    def name(self, language: str) -> str:
        return self.name_ro if language == "ro" else self.name_en


def folder() -> Path:
    return settings().data_dir / "documents"


@cache
def documents() -> tuple[Document, ...]:
    """The documents in the order of the catalogue, read once."""
    with (settings().data_dir / "documents.toml").open("rb") as file:
        raw = tomllib.load(file)
    return tuple(Document(**entry) for entry in raw["document"])


def document(document_id: str) -> Document:
    """The document with this id.

    Raises
    ------
    NotFound
        When the catalogue has no such document.
    """
    for known in documents():
        if known.id == document_id:
            return known
    raise NotFound(N_("There is no document “{document}”."), document=document_id[:60])
