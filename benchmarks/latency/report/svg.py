"""Small pieces of SVG: elements, scales, axes. No script, no font or file from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Union

Number = Union[int, float]
Point = tuple[float, float]


def element(tag: str, *content: str, **attributes: Union[str, Number]) -> str:
    """An element; ``stroke_width`` becomes ``stroke-width`` and ``class_`` becomes ``class``.

    Content is markup; text goes through ``label`` or ``tip``.
    """
    named = {name.rstrip("_").replace("_", "-"): _format(value) for name, value in attributes.items()}
    words = "".join(f' {name}="{escape(value)}"' for name, value in named.items())
    return f"<{tag}{words}>{''.join(content)}</{tag}>" if content else f"<{tag}{words}/>"


def _format(value: Union[str, Number]) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def label(x: float, y: float, words: str, **attributes: Union[str, Number]) -> str:
    """Text at a point."""
    return element("text", escape(words), x=x, y=y, **attributes)


def tip(words: str) -> str:
    """What a reader sees on pointing at the element that holds it."""
    return element("title", escape(words))


def polyline(points: Iterable[Point], **attributes: Union[str, Number]) -> str:
    """A line through points."""
    path = " ".join(f"{_format(x)},{_format(y)}" for x, y in points)
    return element("polyline", points=path, fill="none", **attributes)


def picture(width: int, height: int, title: str, *content: str) -> str:
    """An SVG that scales with the page, with a title for screen readers."""
    return element(
        "svg",
        tip(title),
        *content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        role="img",
        class_="plot",
    )


@dataclass(frozen=True)
class Scale:
    """A linear map from values [low, high] to pixels [start, end]."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        span = self.high - self.low
        share = (value - self.low) / span if span > 0 else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 6) -> list[float]:
        """About ``count`` round values within the scale."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        raw = span / count
        magnitude = 10.0 ** floor(log10(raw))
        step = next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= raw)
        first, last = ceil(self.low / step - 1e-9), floor(self.high / step + 1e-9)
        return [round(i * step, 10) for i in range(first, last + 1)]


def x_axis(scale: Scale, top: float, bottom: float, caption: str) -> str:
    """Vertical grid lines with their values below, and what they are."""
    parts = []
    for value in scale.ticks():
        x = scale(value)
        parts.append(element("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"))
        parts.append(label(x, bottom + 16, f"{value:g}", class_="tick", text_anchor="middle"))
    parts.append(label(scale.end, bottom + 34, caption, class_="caption", text_anchor="end"))
    return "".join(parts)


def y_axis(scale: Scale, left: float, right: float, caption: str) -> str:
    """Horizontal grid lines with their values to the left, and what they are."""
    parts = []
    for value in scale.ticks(5):
        y = scale(value)
        parts.append(element("line", x1=left, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(label(left - 8, y + 4, f"{value:g}", class_="tick", text_anchor="end"))
    parts.append(label(left, scale.end - 12, caption, class_="caption"))
    return "".join(parts)


def legend(x: float, y: float, entries: Sequence[tuple[str, str]]) -> str:
    """Coloured squares with their names, side by side."""
    parts = []
    for color, name in entries:
        parts.append(element("rect", x=x, y=y - 9, width=10, height=10, rx=2, fill=color))
        parts.append(label(x + 15, y, name, class_="tick"))
        x += 15 + 6.6 * len(name) + 16
    return "".join(parts)
