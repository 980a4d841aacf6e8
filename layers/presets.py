"""Presets: the questions people come with, each with the layers that answer it (`data/presets.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from functools import cache

from masterplan.settings import settings


@dataclass(frozen=True)
class Preset:
    """Layers to show together, the uppermost first; `opacity` in percent of a layer's own, where it is not full."""

    id: str
    name_ro: str
    name_en: str
    question_ro: str
    question_en: str
    layers: tuple[str, ...]
    opacity: dict[str, int] = field(default_factory=dict)


@cache
def presets() -> tuple[Preset, ...]:
    """The presets of this installation, in the order they are offered."""
    with (settings().data_dir / "presets.toml").open("rb") as file:
        raw = tomllib.load(file)
    return tuple(Preset(**entry | {"layers": tuple(entry["layers"])}) for entry in raw["preset"])
