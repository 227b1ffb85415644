"""Bars and strips that measure payoffs and information. Places are in percent, so that they stretch with the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from marl.report.formats import is_number, number, short, span
from marl.report.svg import Scale, element, scale_over


def payoff_scale(arms: Sequence[Mapping], references: Sequence[float | None]) -> Scale:
    """One axis for all arms: from zero (or below) past every interval and known reference."""
    ends = [arm[key] for arm in arms for key in ("mean", "low", "high") if is_number(arm.get(key))]
    return scale_over([*ends, *(value for value in references if value is not None)])


def payoff_bar(key: str, label: str, arm: Mapping, scale: Scale, references: Sequence[tuple[str, float]]) -> Markup:
    """One arm's mean as a bar from zero, its interval as a whisker, and the known references as lines.

    `arm` has "mean", "low" and "high"; `references` pairs a style class with a payoff.
    """
    zero, mean = scale.percent(0.0), scale.percent(arm["mean"])
    low, high = scale.percent(arm["low"]), scale.percent(arm["high"])
    lines = [
        element("line", class_=f"reference {name}", x1=_at(x), x2=_at(x), y1="0", y2="100%")
        for name, x in ((name, scale.percent(value)) for name, value in references)
    ]
    bar = element(
        "rect", class_=f"bar {key}", x=_at(min(zero, mean)), width=_at(abs(mean - zero)), y="22%", height="56%"
    )
    whisker = [
        element("line", class_="whisker", x1=_at(low), x2=_at(high), y1="50%", y2="50%"),
        element("line", class_="whisker", x1=_at(low), x2=_at(low), y1="36%", y2="64%"),
        element("line", class_="whisker", x1=_at(high), x2=_at(high), y1="36%", y2="64%"),
    ]
    words = f"{label}: {number(arm['mean'])}, interval {span(arm['low'], arm['high'])}"
    return element("svg", element("title", words), bar, *lines, *whisker, class_="bars", role="img", aria_label=words)


def tile_strip(key: str, arm: Mapping, scale: Scale, references: Sequence[tuple[str, float]]) -> Markup:
    """The mean as a dot and its interval as a band on a thin axis, with a tick at each reference. Decorative."""
    low, high = scale.percent(arm["low"]), scale.percent(arm["high"])
    ticks = [
        element(
            "line",
            class_=f"reference {name}",
            x1=_at(scale.percent(value)),
            x2=_at(scale.percent(value)),
            y1="1",
            y2="17",
        )
        for name, value in references
    ]
    return element(
        "svg",
        element("line", class_="track", x1="0", x2="100%", y1="9", y2="9"),
        *ticks,
        element("line", class_=f"band {key}", x1=_at(low), x2=_at(high), y1="9", y2="9"),
        element("circle", class_=f"dot {key}", cx=_at(scale.percent(arm["mean"])), cy="9", r="5"),
        class_="strip",
        aria_hidden="true",
    )


def information_strip(information: Mapping) -> Markup:
    """Measured bits as a dot, on an axis from zero to the most that the situations allow; the null is a band."""
    bits, most = float(information["bits"]), float(information.get("max_bits") or 0.0)
    null_high = float(information["null_high"])
    scale = Scale(0.0, max(most, bits, null_high, 1e-6))
    words = f"{number(bits)} of at most {number(most)} bits; shuffled messages give up to {number(null_high)}"
    null = element("rect", class_="null", x="0", width=_at(max(scale.percent(null_high), 0.6)), y="2", height="16")
    ticks = [
        element(
            "text", short(tick), class_="tick", x=_at(scale.percent(tick)), y="34", text_anchor=_anchor(scale, tick)
        )
        for tick in [*(tick for tick in scale.ticks(4) if scale.percent(tick) < 90), scale.high]
    ]
    return element(
        "svg",
        element("title", words),
        element("line", class_="track", x1="0", x2="100%", y1="10", y2="10"),
        null,
        element("line", class_="band normal", x1="0", x2=_at(scale.percent(bits)), y1="10", y2="10"),
        element("circle", class_="dot normal", cx=_at(scale.percent(bits)), cy="10", r="6"),
        *ticks,
        class_="information",
        role="img",
        aria_label=words,
    )


def _anchor(scale: Scale, value: float) -> str:
    place = scale.percent(value)
    return "start" if place < 5 else "end" if place > 95 else "middle"


def _at(percent: float) -> str:
    return f"{percent:.2f}%"
