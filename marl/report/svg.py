"""Small pieces for drawing inline SVG: escaped elements and axis scales. Colors come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape


def element(name: str, *children: object, **attributes: object) -> Markup:
    """One SVG element. Text and attribute values are escaped; `class_` means class, and `_` stands for `-`."""
    written = Markup("").join(
        Markup(' {}="{}"').format(_attribute(key), _plain(value))
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, inside)


def _attribute(key: str) -> Markup:
    return Markup("viewBox") if key == "view_box" else Markup(key.rstrip("_").replace("_", "-"))


def _plain(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


@dataclass(frozen=True)
class Scale:
    """A linear axis from `low` to `high`, placed in percent of its length."""

    low: float
    high: float

    def percent(self, value: float) -> float:
        """Where `value` lies, 0 to 100; values outside are put on the nearer end."""
        return 100.0 * min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def ticks(self, count: int = 6) -> list[float]:
        """Round values inside the axis, about `count` of them."""
        step = _nice((self.high - self.low) / max(1, count))
        first = math.ceil(self.low / step - 1e-9)
        return [round(k * step, 10) + 0.0 for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


def scale_over(values: Sequence[float], *, zero: bool = True) -> Scale:
    """The axis that holds all finite `values` (and zero, if asked), widened to round ends."""
    held = [value for value in values if math.isfinite(value)] + ([0.0] if zero else [])
    low, high = (min(held), max(held)) if held else (0.0, 1.0)
    if high - low < 1e-9:
        low, high = min(low, 0.0), max(high, 0.0, low + 1.0)
    step = _nice((high - low) / 6)
    return Scale(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step)


def _nice(step: float) -> float:
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if step <= power * factor * (1 + 1e-9))
