"""Rebuild every shipped layer: ``python -m data.digitise [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

from data.digitise.build import build

if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "geojson")
