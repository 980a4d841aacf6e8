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
    "page-words.js": _OURS / "page-words.js",
    "leaflet.js": _PACKAGES / "leaflet/dist/leaflet.js",
    "leaflet.css": _PACKAGES / "leaflet/dist/leaflet.css",
    "leaflet.draw.js": _PACKAGES / "leaflet-draw/dist/leaflet.draw.js",
    "leaflet.draw.css": _PACKAGES / "leaflet-draw/dist/leaflet.draw.css",
    "maplibre-gl.js": _PACKAGES / "maplibre-gl/dist/maplibre-gl.js",
    "maplibre-gl.css": _PACKAGES / "maplibre-gl/dist/maplibre-gl.css",
    "geographiclib-geodesic.js": _PACKAGES / "geographiclib-geodesic/geographiclib-geodesic.min.js",
    "leaflet-maplibre-gl.js": _PACKAGES / "@maplibre/maplibre-gl-leaflet/leaflet-maplibre-gl.js",
}
#: Our own scripts of the map, one answer instead of one round trip each; in the order they need each other.
_MAP_PARTS = ("dom", "stereo70", "choices", "style", "panel", "reading", "measure", "search", "rubric", "plan-map")
_BUNDLES = {
    "plan-map.js": tuple(_OURS / "map" / f"{part}.js" for part in _MAP_PARTS),
    "plan-map.css": tuple(_OURS / "map" / f"{part}.css" for part in ("plan-map", "rubric")),
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
def asset_bundle(name: str) -> bytes | None:
    """The scripts behind `/assets/<name>` in one piece, or None when it is no bundle."""
    parts = _BUNDLES.get(name)
    return None if parts is None else b"\n".join(part.read_bytes() for part in parts)


@cache
def asset_address(name: str) -> str:
    """The address of an asset, with a mark that changes when its content does."""
    content = asset_bundle(name)
    if content is None:
        content = _FILES[name].read_bytes() if _FILES[name].exists() else None
    mark = "missing" if content is None else hashlib.sha256(content).hexdigest()[:10]
    return f"/assets/{name}?v={mark}"


def missing_assets() -> list[str]:
    """Names of assets that are not installed; `make run` installs them."""
    return [name for name, path in _FILES.items() if not path.exists()]
