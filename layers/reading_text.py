"""Property values of foreign files: kept exactly, except for what PostgreSQL cannot hold."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from layers.reading_limits import Limits
from layers.reading_report import REPAIRED, FeatureRefused, FileRefused

_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_KEY_CHARS = 200
_BOM = b"\xef\xbb\xbf"
#: Called with the code, the outcome and the field of each change.
Told = Callable[[str, str, str], None]


class AmbiguousObject(dict):
    """A JSON object in which `names` occur twice: which value was meant, nobody can say."""

    names: tuple[str, ...] = ()


def decoded(data: bytes) -> str:
    """The text of a UTF-8 file without its byte order mark; FileRefused for any other encoding."""
    try:
        # Not the codec utf-8-sig: Python would have to open a file for it, and the process cannot.
        return data.removeprefix(_BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileRefused("not_utf8", position=error.start) from error


def storable_properties(properties: dict, limits: Limits, told: Told) -> dict:
    """The properties with NUL removed and lone surrogates replaced, each change told.

    Raises FeatureRefused for repeated names, numbers that are not finite, and values beyond the limits.
    """
    if len(properties) > limits.properties:
        raise FeatureRefused("too_many_properties", "properties", limit=limits.properties)
    return _storable(properties, "properties", limits, told)


def _storable(value: object, where: str, limits: Limits, told: Told) -> object:
    if isinstance(value, str):
        return _storable_text(value, where, limits, told)
    if isinstance(value, float) and not math.isfinite(value):
        raise FeatureRefused("number_not_finite", where)
    if isinstance(value, AmbiguousObject):
        raise FeatureRefused("name_repeated", where, names=", ".join(value.names)[:200])
    if isinstance(value, dict):
        return {
            _storable_key(key, where, limits, told): _storable(item, _inside(where, key), limits, told)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_storable(item, where, limits, told) for item in value]
    return value


def _inside(where: str, key: str) -> str:
    return key if where == "properties" else f"{where}.{key}"


def _storable_key(key: str, where: str, limits: Limits, told: Told) -> str:
    if len(key) > _MAX_KEY_CHARS:
        raise FeatureRefused("name_too_long", where, limit=_MAX_KEY_CHARS)
    return _storable_text(key, where, limits, told)


def _storable_text(text: str, where: str, limits: Limits, told: Told) -> str:
    if len(text) > limits.text_chars:
        raise FeatureRefused("text_too_long", where, length=len(text), limit=limits.text_chars)
    if "\0" in text:
        told("nul_removed", REPAIRED, where)
        text = text.replace("\0", "")
    if not text.isascii() and _SURROGATE.search(text):
        told("surrogate_replaced", REPAIRED, where)
        text = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)
    return text
