"""Learning curves: what each arm earned as training went on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from marl.report.formats import is_number, number, short
from marl.report.svg import Scale, element, scale_over

Point = tuple[float, float]
_GAP = 5.5
_STRETCHED = {
    "view_box": "0 0 1000 1000",
    "preserveAspectRatio": "none",
    "width": "100%",
    "height": "100%",
    "class_": "lines",
}


@dataclass(frozen=True)
class Curve:
    """One line: `key` is its style class, `points` are (iteration, payoff). A faint one has no marks."""

    key: str
    label: str
    points: list[Point]
    faint: bool = False


def curves_of(metrics: Sequence[Mapping], twin: Sequence[Mapping], labels: Mapping[str, str]) -> list[Curve]:
    """The training return, the two evaluation arms and the silent twin, as far as the metrics hold them."""
    found = [
        Curve("training", "while training (exploring)", _points(metrics, "charts/episodic_return"), faint=True),
        Curve("silent_twin", labels["silent_twin"], _points(twin, "evaluation/normal")),
        Curve("scrambled", labels["scrambled"], _points(metrics, "evaluation/scrambled")),
        Curve("normal", labels["normal"], _points(metrics, "evaluation/normal")),
    ]
    return [curve for curve in found if curve.points]


def _points(rows: Sequence[Mapping], key: str) -> list[Point]:
    return [(row["iteration"], row[key]) for row in rows if is_number(row.get(key)) and is_number(row.get("iteration"))]


def learning_curves(curves: Sequence[Curve], references: Sequence[tuple[str, str, float]]) -> Markup:
    """Draw `curves` over iterations with `references` (style class, label, payoff) as horizontal lines.

    Lines live in a stretched inner drawing, text and marks in percent of the outer one, so that a narrow page
    squeezes the lines and not the letters.
    """
    across = Scale(0.0, max(1.0, *(x for curve in curves for x, _ in curve.points)))
    payoffs = [y for curve in curves for _, y in curve.points] + [value for _, _, value in references]
    up = scale_over(payoffs, zero=min(payoffs) < 0.5 * max(payoffs))
    words = "Learning curves. " + " ".join(
        f"{curve.label}: from {number(curve.points[0][1])} to {number(curve.points[-1][1])}." for curve in curves
    )
    return element(
        "svg",
        element("title", words),
        *_axes(across, up),
        *(
            element("line", class_=f"reference {key}", x1="0", x2="100%", y1=_place(up, value), y2=_place(up, value))
            for key, _, value in references
        ),
        element("svg", *(_line(curve, across, up) for curve in curves), **_STRETCHED),
        *_notes(references, up),
        *(mark for curve in curves for mark in _marks(curve, across, up)),
        *_ends(curves, up),
        class_="curves",
        role="img",
        aria_label=words,
    )


def _ends(curves: Sequence[Curve], up: Scale) -> list[Markup]:
    """Each curve's last value at its right end."""
    last = {curve.key: curve.points[-1][1] for curve in curves if not curve.faint}
    places = _spread({key: _y(up, value) for key, value in last.items()})
    return [
        element("text", number(last[key]), class_=f"end {key}", x="100%", dx="10", dy="4", y=f"{place:.2f}%")
        for key, place in places.items()
    ]


def _axes(across: Scale, up: Scale) -> list[Markup]:
    parts = []
    for tick in up.ticks():
        y = _place(up, tick)
        parts.append(element("line", class_="grid", x1="0", x2="100%", y1=y, y2=y))
        parts.append(element("text", short(tick), class_="tick", x="-10", y=y, dy="4", text_anchor="end"))
    for tick in across.ticks(6):
        x = f"{across.percent(tick):.2f}%"
        parts.append(element("text", short(tick), class_="tick", x=x, y="100%", dy="20", text_anchor="middle"))
    return parts


def _notes(references: Sequence[tuple[str, str, float]], up: Scale) -> list[Markup]:
    """What each reference line is, above it, or below it at the top of the drawing."""
    return [
        element(
            "text",
            f"{label} {short(value)}",
            class_="note",
            x="6",
            y=_place(up, value),
            dy="15" if _y(up, value) < 8 else "-6",
        )
        for _, label, value in references
    ]


def _line(curve: Curve, across: Scale, up: Scale) -> Markup:
    places = " ".join(f"{10 * across.percent(x):.1f},{10 * _y(up, y):.1f}" for x, y in curve.points)
    return element("polyline", class_=f"line {curve.key}", points=places, vector_effect="non-scaling-stroke")


def _marks(curve: Curve, across: Scale, up: Scale) -> list[Markup]:
    """One mark a point, shaped by arm, so that the arms are told apart without color too."""
    if curve.faint:
        return []
    marks = []
    for x, y in curve.points:
        words = element("title", f"{curve.label}, iteration {short(x)}: {number(y)}")
        place = {"x": f"{across.percent(x):.2f}%", "y": _place(up, y)}
        marks.append(element("svg", shape(curve.key, words), **place, class_="mark", overflow="visible"))
    return marks


def shape(key: str, *children: Markup) -> Markup:
    """An arm's mark, centered on the origin: circle, diamond or square."""
    if key == "scrambled":
        return element("path", *children, class_=f"dot {key}", d="M0,-5.5 L5.5,0 L0,5.5 L-5.5,0 Z")
    if key == "silent_twin":
        return element("rect", *children, class_=f"dot {key}", x="-4.2", y="-4.2", width="8.4", height="8.4")
    return element("circle", *children, class_=f"dot {key}", r="4.6")


def _place(up: Scale, value: float) -> str:
    return f"{_y(up, value):.2f}%"


def _y(up: Scale, value: float) -> float:
    return 100.0 - up.percent(value)


def _spread(places: dict[str, float]) -> dict[str, float]:
    """Move end values that would overlap apart, keeping their order from top to bottom."""
    moved: dict[str, float] = {}
    floor = -100.0
    for key, place in sorted(places.items(), key=lambda item: item[1]):
        floor = max(place, floor + _GAP)
        moved[key] = floor
    return moved
