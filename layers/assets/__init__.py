"""What the browser needs: our own script and style, and packages installed by `npm ci`.

Only what is named here is served, under `/assets/…`.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from masterplan.settings import PROJECT_ROOT

_OURS = Path(__file__).resolve().parent
_PACKAGES = PROJECT_ROOT / "node_modules"

_FILES = {
    "plan-map.js": _OURS / "plan-map.js",
    "plan-map.css": _OURS / "plan-map.css",
    "page-words.js": _OURS / "page-words.js",
    "leaflet.js": _PACKAGES / "leaflet/dist/leaflet.js",
    "leaflet.css": _PACKAGES / "leaflet/dist/leaflet.css",
    "leaflet.draw.js": _PACKAGES / "leaflet-draw/dist/leaflet.draw.js",
    "leaflet.draw.css": _PACKAGES / "leaflet-draw/dist/leaflet.draw.css",
    "maplibre-gl.js": _PACKAGES / "maplibre-gl/dist/maplibre-gl.js",
    "maplibre-gl.css": _PACKAGES / "maplibre-gl/dist/maplibre-gl.css",
    "leaflet-maplibre-gl.js": _PACKAGES / "@maplibre/maplibre-gl-leaflet/leaflet-maplibre-gl.js",
}
_IMAGE_FOLDERS = (_PACKAGES / "leaflet/dist/images", _PACKAGES / "leaflet-draw/dist/images")


@cache
def asset_file(name: str) -> Path | None:
    """The file behind `/assets/<name>`, or None."""
    if name.startswith("images/"):
        wanted = name.removeprefix("images/")
        images = (image for folder in _IMAGE_FOLDERS for image in folder.glob("*"))
        return next((image for image in images if image.name == wanted), None)
    return _FILES.get(name)


@cache
def asset_address(name: str) -> str:
    """The address of an asset, with a mark that changes when its content does."""
    path = _FILES[name]
    mark = hashlib.sha256(path.read_bytes()).hexdigest()[:10] if path.exists() else "missing"
    return f"/assets/{name}?v={mark}"


def missing_assets() -> list[str]:
    """Names of assets that are not installed; `make run` installs them."""
    return [name for name, path in _FILES.items() if not path.exists()]
