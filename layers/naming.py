"""Names in the place of codes: an attribute that refers to a feature of another layer is read as its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from layers.catalogue import Attribute

#: How the catalogue marks that the values of an attribute are codes; the name of one needs no such note.
_CODE_NOTE = " (SIRUTA)"

_NAMES = text("""
SELECT layer_id, feature_id, name_ro, name_en FROM masterplan.current_feature
WHERE (layer_id, feature_id) IN (SELECT * FROM unnest(CAST(:layers AS text[]), CAST(:ids AS text[])))
""")


@dataclass(frozen=True)
class Names:
    """(Layer, feature id) → the name in Romanian and in English."""

    known: Mapping[tuple[str, str], tuple[str, str]]

    def of(self, layer: str, feature_id: object, language: str) -> str:
        """What a code stands for; a code that stands for nothing is shown itself."""
        name_ro, name_en = self.known.get((layer, str(feature_id)), ("", ""))
        return (name_en if language == "en" else name_ro) or name_ro or str(feature_id)


NO_NAMES = Names({})


def names_of(connection: Connection, wanted: Iterable[tuple[Attribute, Any]]) -> Names:
    """The names that these attributes with their values refer to, read at once."""
    codes = sorted({
        (attribute.refers_to, str(code))
        for attribute, value in wanted
        if attribute.refers_to and value
        for code in (value if isinstance(value, list) else [value])
    })  # fmt: skip
    if not codes:
        return NO_NAMES
    rows = connection.execute(_NAMES, {"layers": [c[0] for c in codes], "ids": [c[1] for c in codes]})
    return Names({(row.layer_id, row.feature_id): (row.name_ro, row.name_en) for row in rows})


def title_of(attribute: Attribute, language: str) -> str:
    """What an attribute is called to a reader: without the note that its values are codes, where names are told."""
    name = getattr(attribute, f"name_{language}")
    return name.removesuffix(_CODE_NOTE) if attribute.refers_to else name
