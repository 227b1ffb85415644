"""Learning curves take what the metrics hold, and lines, marks and end values agree with them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from marl.report.arms import ARMS
from marl.report.curves import Curve, curves_of, learning_curves

ROWS = [
    {"iteration": 1, "charts/episodic_return": 3.0},
    {"iteration": 2, "charts/episodic_return": 4.0, "evaluation/normal": 5.0, "evaluation/scrambled": 3.0},
    {"iteration": 4, "charts/episodic_return": None, "evaluation/normal": 10.0, "evaluation/scrambled": 3.5},
]


def drawing(curves: list[Curve], *references: tuple[str, str, float]) -> ET.Element:
    return ET.fromstring(learning_curves(curves, references))


def test_curves_are_the_arms_that_the_metrics_hold() -> None:
    curves = {curve.key: curve for curve in curves_of(ROWS, [{"iteration": 4, "evaluation/normal": 5.0}], ARMS)}
    assert curves["normal"].points == [(2, 5.0), (4, 10.0)]
    assert curves["training"].points == [(1, 3.0), (2, 4.0)]
    assert curves["training"].faint
    assert curves["silent_twin"].points == [(4, 5.0)]
    assert curves["scrambled"].label == ARMS["scrambled"]


def test_a_missing_arm_is_left_out() -> None:
    assert [curve.key for curve in curves_of(ROWS[:1], [], ARMS)] == ["training"]
    assert curves_of([], [], ARMS) == []


def test_lines_run_through_the_points() -> None:
    (line,) = drawing([Curve("normal", "n", [(0, 0.0), (4, 10.0)])], ("optimum", "best", 10.0)).iter("polyline")
    assert line.get("points") == "0.0,1000.0 1000.0,0.0"
    assert line.get("vector-effect") == "non-scaling-stroke"


def test_every_point_has_a_mark_with_its_numbers() -> None:
    root = drawing([Curve("normal", "with talk", [(0, 1.0), (4, 9.0)])])
    words = [node.text for node in root.iter("title")]
    assert "with talk, iteration 0: 1.00" in words
    assert "with talk, iteration 4: 9.00" in words


def test_a_faint_curve_has_no_marks_and_no_end_value() -> None:
    root = drawing([Curve("training", "t", [(0, 1.0), (4, 9.0)], faint=True)])
    assert not [node for node in root.iter() if node.get("class", "").startswith(("mark", "end"))]


def test_end_values_that_would_overlap_stand_apart_in_order() -> None:
    curves = [Curve("normal", "n", [(0, 5.0), (4, 5.01)]), Curve("silent_twin", "s", [(0, 5.0), (4, 5.0)])]
    root = drawing(curves, ("optimum", "best", 10.0))
    places = {
        node.get("class"): float(node.get("y", "").rstrip("%")) for node in root.iter("text") if node.get("dx") == "10"
    }
    assert places["end silent_twin"] - places["end normal"] >= 5


def test_references_are_named_with_their_value() -> None:
    root = drawing([Curve("normal", "n", [(0, 1.0)])], ("bound", "best without messages", 5.0))
    assert "best without messages 5" in [node.text for node in root.iter("text")]


def test_one_point_at_the_first_iteration_can_be_drawn() -> None:
    assert list(drawing([Curve("normal", "n", [(0, 0.0)])]).iter("polyline"))
