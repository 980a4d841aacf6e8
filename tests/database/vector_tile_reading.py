"""A reader of Mapbox Vector Tiles, written from the specification: an oracle apart from PostGIS."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

POINT, LINE, POLYGON = 1, 2, 3


@dataclass
class TileFeature:
    kind: int
    properties: dict[str, Any]
    points: list[tuple[int, int]]


def read_tile(content: bytes) -> dict[str, list[TileFeature]]:
    """Layer name → its features; coordinates are the tile's own units, y down."""
    return dict(_layer(value) for number, value in _fields(content) if number == 3)


def _layer(content: bytes) -> tuple[str, list[TileFeature]]:
    name, keys, values, raw = "", [], [], []
    for number, value in _fields(content):
        if number == 1:
            name = value.decode()
        elif number == 2:
            raw.append(value)
        elif number == 3:
            keys.append(value.decode())
        elif number == 4:
            values.append(_value(value))
    return name, [_feature(each, keys, values) for each in raw]


def _feature(content: bytes, keys: list[str], values: list[Any]) -> TileFeature:
    kind, tags, commands = 0, [], []
    for number, value in _fields(content):
        if number == 2:
            tags = _packed(value)
        elif number == 3:
            kind = value
        elif number == 4:
            commands = _packed(value)
    properties = {keys[k]: values[v] for k, v in zip(tags[::2], tags[1::2], strict=True)}
    return TileFeature(kind, properties, _points(commands))


def _points(commands: list[int]) -> list[tuple[int, int]]:
    found, x, y, position = [], 0, 0, 0
    while position < len(commands):
        command, repeat = commands[position] & 7, commands[position] >> 3
        position += 1
        if command == 7:
            continue
        for _ in range(repeat):
            x, y = x + _signed(commands[position]), y + _signed(commands[position + 1])
            position += 2
            found.append((x, y))
    return found


def _value(content: bytes) -> Any:
    number, value = next(iter(_fields(content)))
    if number == 1:
        return value.decode()
    if number in (2, 3):
        return struct.unpack("<f" if number == 2 else "<d", value)[0]
    return {4: value, 5: value, 6: _signed(value), 7: bool(value)}[number]


def _fields(content: bytes):
    position = 0
    while position < len(content):
        tag, position = _varint(content, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = _varint(content, position)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if wire == 2:
                size, position = _varint(content, position)
            value, position = content[position : position + size], position + size
        yield number, value


def _packed(content: bytes) -> list[int]:
    found, position = [], 0
    while position < len(content):
        value, position = _varint(content, position)
        found.append(value)
    return found


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _signed(value: int) -> int:
    return (value >> 1) ^ -(value & 1)
