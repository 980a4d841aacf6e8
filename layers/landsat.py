"""Land surface temperature from Landsat 5, 7, 8 and 9: the scene's own metadata, and arithmetic on arrays.

Level-1 products of Collections 1 and 2 (and Landsat 8 before the collections) carry an MTL file, as text or JSON,
with everything that turns their numbers (DN) into physical quantities. Nothing here opens a raster: the
functions take arrays of DN in any coordinate system and give arrays of the same shape, NaN where there is nothing.

The temperature is that of the surface as the sensor saw it through the atmosphere: emissivity is corrected for,
the air between is not. Differences within one scene (the anomaly against rural ground) hardly suffer from that;
the °C by themselves are some degrees too low in humid air.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import PurePath
from typing import Any

import numpy as np

from masterplan.errors import InputError, MasterplanError
from masterplan.language import N_

ZERO_CELSIUS_K = 273.15
#: h·c/k in metre kelvin, exact in the SI of 2019.
SECOND_RADIATION_CONSTANT_MK = 6.62607015e-34 * 299_792_458 / 1.380649e-23

#: NDVI below which a cell is water, bare ground up to the next, full vegetation above the last.
WATER_NDVI, BARE_NDVI, FULL_NDVI = 0.0, 0.2, 0.5
WATER_EMISSIVITY, BARE_EMISSIVITY, FULL_EMISSIVITY = 0.991, 0.97, 0.99

#: Classes of the anomaly against rural ground: name and lower bound in °C, the same as the map's (data/symbology.toml).
HEAT_ISLAND_CLASSES: tuple[tuple[str, float], ...] = (
    ("cool island", -np.inf),
    ("cooler than rural", -1.0),
    ("as rural", -0.25),
    ("slightly warmer", 0.5),
    ("heat island", 1.5),
    ("strong heat island", 3.0),
    ("extreme heat island", 4.5),
)

_LARGEST_MTL = 1_000_000
#: Effective wavelength of each thermal band in metres: Jiménez-Muñoz et al. 2009 (TGRS 47:339) for TM and ETM+,
#: 2014 (GRSL 11:1840) for TIRS; TIRS-2 of Landsat 9 is built like TIRS.
_TIRS = {"10": 10.904e-6, "11": 12.003e-6}
_WAVELENGTHS_M: dict[int, dict[str, float]] = {
    5: {"6": 11.457e-6},
    7: {"6_VCID_1": 11.269e-6, "6_VCID_2": 11.269e-6},
    8: _TIRS,
    9: _TIRS,
}
#: Red and near infrared.
_RED_AND_NIR = {5: ("3", "4"), 7: ("3", "4"), 8: ("4", "5"), 9: ("4", "5")}
#: Where a quality band says that the ground is not seen: bit, width of the field, least value that hides.
#: Landsat Collection 2 Level-1 data format control books (LSDS-1822, LSDS-1829); Collection 1: LSDS-1873, LSDS-1380.
_HIDING_BITS: dict[int, tuple[tuple[int, int, int], ...]] = {
    # Fill, dropped frame, terrain occlusion; snow, cirrus and cloud of high confidence.
    0: ((0, 1, 1), (1, 1, 1), (2, 1, 1), (10, 2, 3), (12, 2, 3), (14, 2, 3)),
    # Fill, dropped or occluded, cloud; shadow, snow and cirrus (never set on Landsat 5 and 7) of high confidence.
    1: ((0, 1, 1), (1, 1, 1), (4, 1, 1), (7, 2, 3), (9, 2, 3), (11, 2, 3)),
    # Fill, dilated cloud, cirrus, cloud, cloud shadow, snow.
    2: ((0, 1, 1), (1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 1), (5, 1, 1)),
}

_NOT_AN_MTL = N_("The file {file} is not a Landsat MTL file: bring the scene's …_MTL.txt or …_MTL.json.")
_XML = N_("The file {file} is the XML form of the metadata: bring the scene's …_MTL.txt or …_MTL.json.")
_CUT_SHORT = N_("The MTL file {file} is cut short: its last line should be END.")
_MISSING = N_("The MTL file {file} does not say {field}.")
_NOT_A_NUMBER = N_("The MTL file {file} says {field} = {value}, which cannot be used.")
_OTHER_SPACECRAFT = N_("The MTL file {file} is of {spacecraft}; Landsat 5, 7, 8 and 9 are read.")
_LEVEL_2 = N_("The scene of {file} is a {level} product, already turned into temperatures: bring the Level-1 product.")
_NO_THERMAL = N_("The scene of {file} has no thermal band {band}; it has {known}.")
_AT_NIGHT = N_(
    "The scene of {file} was taken with the sun {elevation}° above the horizon: its emissivity cannot be told from"
    " NDVI; bring a daytime scene."
)
_UNSAFE_NAME = N_("The MTL file {file} names the band file “{said}”, which is not a plain file name.")
_NO_QUALITY_LAYOUT = N_("The clouds of {file} cannot be masked: scenes of Collection {collection} are not known.")


@dataclass(frozen=True)
class Scaling:
    """From DN to a physical quantity: `multiplier` · DN + `addend`."""

    multiplier: float
    addend: float

    def apply(self, dn: np.ndarray) -> np.ndarray:
        return self.multiplier * dn.astype(np.float64) + self.addend


@dataclass(frozen=True)
class ThermalBand:
    """A thermal band: radiance in W/(m² sr µm), Planck's constants `k1` (same unit) and `k2` (K), wavelength in metres.

    `largest_dn` is the DN at which the sensor is saturated.
    """

    name: str
    radiance: Scaling
    k1: float
    k2: float
    wavelength_m: float
    largest_dn: int


@dataclass(frozen=True)
class Scene:
    """What an MTL file says about its scene, as far as the temperature needs it.

    Attributes
    ----------
    collection : int
        1 or 2; 0 before the collections.
    thermal : dict
        The thermal bands by name: "6", "6_VCID_1", "6_VCID_2", "10", "11".
    red, nir : Scaling
        To reflectance at the top of the atmosphere, without the sun's angle (which NDVI does not need).
    files : dict
        Names of the band files, which lie beside the MTL file; "red", "nir", "quality" and each thermal band.
    """

    id: str
    spacecraft: int
    collection: int
    acquired: date
    sun_elevation: float
    thermal: dict[str, ThermalBand]
    red: Scaling
    nir: Scaling
    files: dict[str, str]

    def thermal_band(self, name: str | None = None) -> ThermalBand:
        """The band called `name`; without one, the band to take.

        Band 10 of TIRS (band 11 is spoilt by stray light), the low-gain band of ETM+ (the other saturates in summer).

        Raises
        ------
        InputError
            When the scene has no such band; the message lists those it has.
        """
        if name is None:
            return next(iter(self.thermal.values()))
        if name not in self.thermal:
            raise _refused(_NO_THERMAL, self.id, band=name, known=", ".join(self.thermal))
        return self.thermal[name]


# The metadata


def parse_mtl(raw: bytes, name: str) -> Scene:
    """Read an MTL file, text (ODL) or JSON, of a Level-1 product.

    Parameters
    ----------
    raw
        The file's bytes.
    name
        What the messages call it.

    Raises
    ------
    InputError
        When it is not an MTL file, is cut short, is of another satellite or a Level-2 product, was taken at
        night, or lacks a field.
    """
    groups = _groups(raw, name)
    fields = _flat(groups)
    spacecraft = _spacecraft(fields, name)
    level = str(fields.get("PROCESSING_LEVEL", fields.get("DATA_TYPE", "L1")))
    if not level.startswith("L1"):
        raise _refused(_LEVEL_2, name, level=level[:20])
    elevation = _number(fields, "SUN_ELEVATION", name)
    if elevation <= 0:
        raise _refused(_AT_NIGHT, name, elevation=f"{elevation:.0f}")
    thermal = {band: _thermal(fields, spacecraft, band, name) for band in _WAVELENGTHS_M[spacecraft]}
    red, nir = _RED_AND_NIR[spacecraft]
    files = {"red": _file(fields, f"BAND_{red}", name), "nir": _file(fields, f"BAND_{nir}", name)}
    files |= {band: _file(fields, f"BAND_{band}", name) for band in thermal}
    collection = int(_number(fields, "COLLECTION_NUMBER", name)) if "COLLECTION_NUMBER" in fields else 0
    quality = next((key for key in ("QUALITY_L1_PIXEL", "BAND_QUALITY") if f"FILE_NAME_{key}" in fields), None)
    if quality:
        files["quality"] = _file(fields, quality, name)
    return Scene(
        id=str(fields.get("LANDSAT_PRODUCT_ID") or _text(fields, "LANDSAT_SCENE_ID", name)),
        spacecraft=spacecraft,
        collection=collection,
        acquired=_date(fields, "DATE_ACQUIRED", name),
        sun_elevation=elevation,
        thermal=thermal,
        red=_scaling(fields, "REFLECTANCE", red, name),
        nir=_scaling(fields, "REFLECTANCE", nir, name),
        files=files,
    )


def _groups(raw: bytes, name: str) -> Mapping[str, Any]:
    """The outermost group, as nested mappings."""
    if len(raw) > _LARGEST_MTL:
        raise _refused(_NOT_AN_MTL, name)
    try:
        words = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError as broken:
        raise _refused(_NOT_AN_MTL, name) from broken
    if words.startswith("<"):
        raise _refused(_XML, name)
    groups = _json(words, name) if words.startswith("{") else _odl(words, name)
    for outermost in ("LANDSAT_METADATA_FILE", "L1_METADATA_FILE"):
        if isinstance(groups.get(outermost), dict):
            return groups[outermost]
    raise _refused(_NOT_AN_MTL, name)


def _json(words: str, name: str) -> dict[str, Any]:
    try:
        return json.loads(words)
    except (ValueError, RecursionError) as broken:
        raise _refused(_NOT_AN_MTL, name) from broken


_LINE = re.compile(r"\s*(?P<key>\w+)\s*=\s*(?P<value>.*?)\s*")


def _odl(words: str, name: str) -> dict[str, Any]:
    """`KEY = VALUE` lines between `GROUP = …` and `END_GROUP = …`, and END."""
    outermost: dict[str, Any] = {}
    open_groups = [outermost]
    for line in words.splitlines():
        if line.strip() == "END":
            return outermost
        found = _LINE.fullmatch(line)
        if found is None:
            if line.strip():
                raise _refused(_NOT_AN_MTL, name)
            continue
        key, value = found["key"], found["value"].strip('"')
        if key == "GROUP":
            open_groups.append(open_groups[-1].setdefault(value, {}))
        elif key == "END_GROUP":
            if len(open_groups) == 1:
                raise _refused(_NOT_AN_MTL, name)
            open_groups.pop()
        else:
            open_groups[-1][key] = value
    raise _refused(_CUT_SHORT if outermost else _NOT_AN_MTL, name)


def _flat(groups: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of all groups; where two groups have the same field, the product's own contents count first."""
    fields: dict[str, Any] = {}
    for group, inside in sorted(groups.items(), key=lambda item: item[0] != "PRODUCT_CONTENTS"):
        for key, value in (inside if isinstance(inside, dict) else {group: inside}).items():
            fields.setdefault(key, value)
    return fields


def _spacecraft(fields: Mapping[str, Any], name: str) -> int:
    said = _text(fields, "SPACECRAFT_ID", name)
    found = re.fullmatch(r"LANDSAT_?(\d)", said, flags=re.IGNORECASE)
    if found is None or int(found[1]) not in _WAVELENGTHS_M:
        raise _refused(_OTHER_SPACECRAFT, name, spacecraft=said[:20])
    return int(found[1])


def _thermal(fields: Mapping[str, Any], spacecraft: int, band: str, name: str) -> ThermalBand:
    return ThermalBand(
        name=band,
        radiance=_scaling(fields, "RADIANCE", band, name),
        k1=_positive(fields, f"K1_CONSTANT_BAND_{band}", name),
        k2=_positive(fields, f"K2_CONSTANT_BAND_{band}", name),
        wavelength_m=_WAVELENGTHS_M[spacecraft][band],
        largest_dn=int(_positive(fields, f"QUANTIZE_CAL_MAX_BAND_{band}", name)),
    )


def _scaling(fields: Mapping[str, Any], quantity: str, band: str, name: str) -> Scaling:
    return Scaling(
        _positive(fields, f"{quantity}_MULT_BAND_{band}", name), _number(fields, f"{quantity}_ADD_BAND_{band}", name)
    )


def _file(fields: Mapping[str, Any], what: str, name: str) -> str:
    said = _text(fields, f"FILE_NAME_{what}", name)
    if said in ("", ".", "..") or PurePath(said).name != said or "\\" in said or not said.isprintable():
        raise _refused(_UNSAFE_NAME, name, said=said[:60])
    return said


def _text(fields: Mapping[str, Any], field: str, name: str) -> str:
    if field not in fields:
        raise _refused(_MISSING, name, field=field)
    return str(fields[field])


def _number(fields: Mapping[str, Any], field: str, name: str) -> float:
    said = _text(fields, field, name)
    try:
        value = float(said)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise _refused(_NOT_A_NUMBER, name, field=field, value=said[:40])
    return value


def _positive(fields: Mapping[str, Any], field: str, name: str) -> float:
    value = _number(fields, field, name)
    if value <= 0:
        raise _refused(_NOT_A_NUMBER, name, field=field, value=f"{value:g}")
    return value


def _date(fields: Mapping[str, Any], field: str, name: str) -> date:
    said = _text(fields, field, name)
    try:
        return date.fromisoformat(said)
    except ValueError as broken:
        raise _refused(_NOT_A_NUMBER, name, field=field, value=said[:40]) from broken


def _refused(msgid: str, name: str, **facts: object) -> InputError:
    return InputError([("file", MasterplanError(msgid, file=name, **facts))])


# The arithmetic


def brightness_temperature(radiance: np.ndarray, k1: float, k2: float) -> np.ndarray:
    """Kelvin at which a black body has this radiance (Landsat handbooks: Planck's law inverted, k2 / ln(k1/L + 1)).

    Parameters
    ----------
    radiance
        W/(m² sr µm); NaN comes out where it is not positive.
    k1, k2
        The band's constants, W/(m² sr µm) and kelvin.
    """
    seen = np.where(radiance > 0, radiance, np.nan)
    return k2 / np.log(k1 / seen + 1)


def ndvi(red: np.ndarray, nir: np.ndarray) -> np.ndarray:
    """Normalised difference vegetation index of two reflectances, −1 to 1; NaN where they do not add up to more than 0.

    Reflectances below 0, which dark water has once the offset is applied, count as 0.
    """
    red, nir = np.maximum(red, 0), np.maximum(nir, 0)
    both = red + nir
    return (nir - red) / np.where(both > 0, both, np.nan)


def emissivity(index: np.ndarray) -> np.ndarray:
    """Emissivity at about 11 µm by the NDVI thresholds method (Sobrino et al. 2004, RSE 90:434).

    Bare ground 0.97, full vegetation 0.99; between them 0.986 + 0.004 Pv, with Pv the share of vegetation
    ((NDVI − 0.2) / 0.3)² and the cavities of mixed surfaces in it. Below 0 water, 0.991.
    """
    vegetation = ((index - BARE_NDVI) / (FULL_NDVI - BARE_NDVI)) ** 2
    choices = [index < WATER_NDVI, index < BARE_NDVI, index <= FULL_NDVI, index > FULL_NDVI]
    values = [WATER_EMISSIVITY, BARE_EMISSIVITY, 0.986 + 0.004 * vegetation, FULL_EMISSIVITY]
    return np.select(choices, values, default=np.nan)


def surface_temperature(brightness: np.ndarray, emissivity: np.ndarray | float, wavelength_m: float) -> np.ndarray:
    """Land surface temperature in kelvin (Artis & Carnahan 1982, RSE 12:313): T / (1 + λ T / c₂ · ln ε).

    Parameters
    ----------
    brightness
        Brightness temperature in kelvin.
    emissivity
        Above 0, at most 1.
    wavelength_m
        In metres, as c₂ = 0.014388 m K is: 1.09e-5 and not 10.9.

    Raises
    ------
    ValueError
        When the wavelength is not between 8 and 14 millionths of a metre, so that micrometres are not mistaken
        for metres.
    """
    if not 8e-6 <= wavelength_m <= 14e-6:
        raise ValueError(f"a thermal wavelength in metres is about 1.1e-5, not {wavelength_m:g}")
    return brightness / (1 + wavelength_m * brightness / SECOND_RADIATION_CONSTANT_MK * np.log(emissivity))


def hidden(quality: np.ndarray, collection: int, name: str = "") -> np.ndarray:
    """Where the quality band (BQA or QA_PIXEL, integers) says cloud, shadow, cirrus, snow, or nothing at all.

    Confidences count when they are high.

    Raises
    ------
    InputError
        When the layout of the collection is not known.
    """
    if collection not in _HIDING_BITS:
        raise _refused(_NO_QUALITY_LAYOUT, name, collection=collection)
    codes = quality.astype(np.uint16)
    covered = np.zeros(codes.shape, dtype=bool)
    for bit, width, least in _HIDING_BITS[collection]:
        covered |= (codes >> bit) % (1 << width) >= least
    return covered


@dataclass(frozen=True)
class Temperatures:
    """Surface temperature in °C and NDVI, float32, NaN where clouds hide the ground or there is nothing."""

    celsius: np.ndarray
    ndvi: np.ndarray


def temperatures(
    scene: Scene,
    band: ThermalBand,
    thermal: np.ndarray,
    red: np.ndarray,
    nir: np.ndarray,
    quality: np.ndarray | None,
) -> Temperatures:
    """From the DN of one scene to its surface temperatures.

    Parameters
    ----------
    thermal, red, nir
        DN, same shape; 0 and NaN are fill, and a saturated thermal DN is no temperature.
    quality
        The quality band's codes, or None for no cloud mask.
    """
    empty = ~(thermal > 0) | ~(red > 0) | ~(nir > 0) | (thermal >= band.largest_dn)
    if quality is not None:
        empty |= hidden(np.nan_to_num(quality, nan=1), scene.collection, scene.id)
    index = ndvi(scene.red.apply(red), scene.nir.apply(nir))
    seen = brightness_temperature(band.radiance.apply(thermal), band.k1, band.k2)
    celsius = surface_temperature(seen, emissivity(index), band.wavelength_m) - ZERO_CELSIUS_K
    return Temperatures(
        np.where(empty, np.nan, celsius).astype(np.float32), np.where(empty, np.nan, index).astype(np.float32)
    )


class Median:
    """The median of any number of temperatures in bounded memory: counts in steps of 0.001 °C.

    Values from −100 to 150 °C; what lies outside is not counted. The result is off by half a step at most.
    """

    _LEAST, _MOST, _STEP = -100.0, 150.0, 0.001

    def __init__(self) -> None:
        self._counts = np.zeros(round((self._MOST - self._LEAST) / self._STEP), dtype=np.int64)

    def add(self, celsius: np.ndarray) -> None:
        """Count values; NaN is passed over."""
        found = celsius[(celsius >= self._LEAST) & (celsius < self._MOST)].astype(np.float64)
        steps = np.floor((found - self._LEAST) / self._STEP).astype(np.int64)
        self._counts += np.bincount(steps.clip(0, len(self._counts) - 1), minlength=len(self._counts))

    @property
    def count(self) -> int:
        return int(self._counts.sum())

    def value(self) -> float:
        """The median in °C; NaN when nothing was counted. Of an even number, the middle of the middle two."""
        if self.count == 0:
            return float("nan")
        below = np.cumsum(self._counts)
        middle = [np.searchsorted(below, rank) for rank in ((self.count + 1) // 2, self.count // 2 + 1)]
        return float(self._LEAST + (np.mean(middle) + 0.5) * self._STEP)


def mean_of(arrays: Iterable[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of several scenes cell by cell over those that see the cell, and how many do; NaN where none does."""
    total: np.ndarray | None = None
    for array in arrays:
        if total is None:
            total, seen = np.zeros(array.shape), np.zeros(array.shape, dtype=np.int32)
        there = np.isfinite(array)
        total[there] += array[there]
        seen += there
    if total is None:
        raise ValueError("the mean of no scene")
    return (total / np.where(seen, seen, np.nan)).astype(np.float32), seen


def heat_island_class(anomaly_c: np.ndarray) -> np.ndarray:
    """Index into `HEAT_ISLAND_CLASSES` of each anomaly in °C, a value on a bound in the warmer; −1 where it is NaN."""
    bounds = [least for _, least in HEAT_ISLAND_CLASSES[1:]]
    return np.where(np.isfinite(anomaly_c), np.digitize(anomaly_c, bounds), -1).astype(np.int16)
