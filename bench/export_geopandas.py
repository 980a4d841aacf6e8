"""The alternative: read the same rows with geopandas, write them with to_file; a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import geopandas as gpd
import pandas as pd
from sqlalchemy import create_engine, text

from masterplan.database import admin_url

_ROWS = text(Path(__file__).with_name("export_rows.sql").read_text(encoding="utf-8"))


def main(path: str) -> None:
    engine = create_engine(admin_url())
    with engine.connect() as connection:
        rows = gpd.read_postgis(_ROWS, connection, geom_col="geometry")
    rows["created_at"] = pd.to_datetime(rows["created_at"]).dt.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    rows["criteria"] = rows["criteria"].map(json.dumps)
    rows["budget_lei"] = rows["budget_lei"].astype(float)
    rows.to_file(path, driver="GeoJSON", engine="pyogrio", RFC7946="YES")


if __name__ == "__main__":
    main(sys.argv[1])
