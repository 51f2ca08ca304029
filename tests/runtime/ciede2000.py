"""CIEDE2000, the perceived difference of two colours (Sharma, Wu and Dalal 2005, equations 2 to 22)."""

from __future__ import annotations

import math

WHITE = (0.95047, 1.0, 1.08883)  # D65, two degrees
TO_XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)


def to_lab(rgb: tuple[int, int, int]) -> tuple[float, float, float]:
    """CIELAB of an sRGB colour in 0…255."""
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in (c / 255 for c in rgb)]
    xyz = (sum(m * c for m, c in zip(row, linear)) / white for row, white in zip(TO_XYZ, WHITE))
    x, y, z = (math.cbrt(v) if v > 216 / 24389 else (24389 / 27 * v + 16) / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(first: tuple[float, float, float], second: tuple[float, float, float]) -> float:
    """Of two colours in CIELAB."""
    (L1, a1, b1), (L2, a2, b2) = first, second
    mean_chroma = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    stretch = 1.5 - 0.5 * _saturation(mean_chroma)
    C1, C2 = math.hypot(a1 * stretch, b1), math.hypot(a2 * stretch, b2)
    h1, h2 = (math.degrees(math.atan2(b, a * stretch)) % 360 for a, b in ((a1, b1), (a2, b2)))
    turn = 0.0 if C1 * C2 == 0 else (h2 - h1 + 180) % 360 - 180
    hue = h1 + h2 if C1 * C2 == 0 else (h1 + turn / 2) % 360
    L, C = (L1 + L2) / 2, (C1 + C2) / 2
    T = 1 + sum(
        weight * math.cos(math.radians(times * hue + offset))
        for weight, times, offset in ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    )
    lightness = (L2 - L1) / (1 + 0.015 * (L - 50) ** 2 / math.sqrt(20 + (L - 50) ** 2))
    chroma = (C2 - C1) / (1 + 0.045 * C)
    angle = 2 * math.sqrt(C1 * C2) * math.sin(math.radians(turn / 2)) / (1 + 0.015 * C * T)
    rotation = math.sin(math.radians(60 * math.exp(-(((hue - 275) / 25) ** 2)))) * -2 * _saturation(C)
    return math.sqrt(lightness**2 + chroma**2 + angle**2 + rotation * chroma * angle)


def _saturation(chroma: float) -> float:
    return math.sqrt(chroma**7 / (chroma**7 + 25**7))
