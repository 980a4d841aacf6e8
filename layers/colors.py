"""Colours that stay readable: contrast, and the same colour on a dark ground.

Colours are `#rrggbb` in sRGB. Lightness is that of OKLab (Björn Ottosson, 2020), in which equal steps look equal.
"""

from __future__ import annotations

#: Contrast that WCAG 2.2 asks of text (1.4.3) and of what must be seen to understand (1.4.11).
TEXT_CONTRAST = 4.5
MARK_CONTRAST = 3.0
_STEPS = 40


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21, as WCAG 2.2 defines it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = map(_linear, _channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _channels(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _encoded(channel: float) -> float:
    inside = min(max(channel, 0.0), 1.0)
    return inside * 12.92 if inside <= 0.0031308 else 1.055 * inside ** (1 / 2.4) - 0.055


def lifted(color: str, ground: str, least: float) -> str:
    """`color`, mixed with just so much white that its contrast on a dark `ground` is at least `least`."""
    for step in range(_STEPS + 1):
        mixed = _mixed(color, "#ffffff", step / _STEPS)
        if contrast(mixed, ground) >= least:
            return mixed
    raise ValueError(f"even white has less contrast than {least} on {ground}")


def _mixed(color: str, other: str, share: float) -> str:
    return _hex(a + (b - a) * share for a, b in zip(_channels(color), _channels(other), strict=True))


def _hex(channels) -> str:
    return "#" + "".join(f"{round(channel * 255):02x}" for channel in channels)


#: OKLab lightness of the darkest and the lightest class of a ramp on a dark ground.
_DARK_RANGE = (0.34, 0.93)


def turned(color: str) -> str:
    """A class of a ramp for a dark ground: light becomes dark, the hue and the order of lightness stay."""
    lightness, a, b = oklab(color)
    low, high = _DARK_RANGE
    return _from_oklab(low + (1 - lightness) * (high - low) / 0.7, a, b)


def oklab(color: str) -> tuple[float, float, float]:
    """Lightness from 0 to 1 and the two opponent axes, of a colour."""
    r, g, b = map(_linear, _channels(color))
    l_ = (0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) ** (1 / 3)
    m_ = (0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) ** (1 / 3)
    s_ = (0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b) ** (1 / 3)
    return (
        0.2104542553 * l_ + 0.7936177850 * m_ - 0.0040720468 * s_,
        1.9779984951 * l_ - 2.4285922050 * m_ + 0.4505937099 * s_,
        0.0259040371 * l_ + 0.7827717662 * m_ - 0.8086757660 * s_,
    )


def _from_oklab(lightness: float, a: float, b: float) -> str:
    l_ = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    m_ = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    s_ = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return _hex(map(_encoded, (
        4.0767416621 * l_ - 3.3077115913 * m_ + 0.2309699292 * s_,
        -1.2684380046 * l_ + 2.6097574011 * m_ - 0.3413193965 * s_,
        -0.0041960863 * l_ - 0.7034186147 * m_ + 1.7076147010 * s_,
    )))  # fmt: skip
