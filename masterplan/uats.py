"""The municipalities (UAT, LAU2) that the plan knows, from its current boundaries."""

from __future__ import annotations

from sqlalchemy import Connection, text

_NAMES = text(
    "SELECT properties->>'siruta' AS siruta, name_ro FROM masterplan.current_feature"
    " WHERE layer_id = 'uat' AND properties->>'siruta' IS NOT NULL ORDER BY name_ro"
)


def uat_names(connection: Connection) -> dict[str, str]:
    """SIRUTA code → name, in alphabetical order."""
    return {row.siruta: row.name_ro for row in connection.execute(_NAMES)}
