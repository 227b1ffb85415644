"""The payoff table, best responses and equilibria, held against games whose answers are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from marl.games import EmpiricalGame, summarize
from marl.report.game import MOST_PROFILES, best_responses, game_view, profile_names


def analyzed(*tables: Any, learned: tuple[int, ...], noise: float = 0.0) -> dict[str, Any]:
    """analysis.json of the game with these payoff tables, one a player."""
    means = np.stack([np.asarray(table, dtype=float) for table in tables])
    rng = np.random.default_rng(0)
    samples = {
        profile: means[(slice(None), *profile)] + noise * rng.standard_normal((8, len(means)))
        for profile in np.ndindex(*means.shape[1:])
    }
    names = {f"p{player}": [f"s{k}" for k in range(size)] for player, size in enumerate(means.shape[1:])}
    return summarize(EmpiricalGame.from_samples(names, samples), learned, rng=rng)


def test_prisoners_dilemma() -> None:
    view = game_view(analyzed([[3, 0], [5, 1]], [[3, 5], [0, 1]], learned=(0, 0)))
    (_, top), (_, bottom) = view.rows()
    assert [cell.status for cell in (*top, *bottom)] == [["learned"], [], [], ["equilibrium"]]
    assert [pay[2] for pay in bottom[1].payoffs] == [True, True]
    assert [pay[0] for pay in top[1].payoffs] == ["0.00", "5.00"]
    assert [(one.kind, one.play, one.payoffs) for one in view.equilibria] == [("pure", ["s1", "s1"], "1.00, 1.00")]
    assert view.best_profile == ["s0", "s0"]
    assert view.sinks == ["(s1, s1)"]


def test_matching_pennies_has_one_mixed_equilibrium_and_a_cycle() -> None:
    view = game_view(analyzed([[1, -1], [-1, 1]], [[-1, 1], [1, -1]], learned=(0, 0)))
    (only,) = view.equilibria
    assert only.kind == "mixed"
    assert only.play == ["s0 50%, s1 50%", "s0 50%, s1 50%"]
    assert only.exact == "yes"
    assert view.sinks[0].count("↔") == 3


def test_three_players_have_one_cell_a_profile() -> None:
    tables = np.zeros((3, 2, 2, 2))
    view = game_view(analyzed(*tables, learned=(0, 1, 0)))
    assert len(view.cells) == 8
    assert [cell.names for cell in view.cells if cell.learned] == [["s0", "s1", "s0"]]


def test_a_profile_that_was_not_played_is_nobodys_best_response(analysis: dict[str, Any]) -> None:
    for table in (*analysis["game"]["mean"], *analysis["game"]["standard_error"]):
        table[1][1] = None
    cell = game_view(analysis).rows()[1][1][1]
    assert not cell.played
    assert not any(best for _, _, best in cell.payoffs)


def test_best_responses_match_enumeration() -> None:
    means = np.random.default_rng(1).integers(0, 4, size=(2, 3, 4)).astype(float)
    best = best_responses(means)
    for i, j in np.ndindex(3, 4):
        assert best[0, i, j] == all(means[0, i, j] >= means[0, k, j] for k in range(3))
        assert best[1, i, j] == all(means[1, i, j] >= means[1, i, k] for k in range(4))


def test_cells_hold_the_numbers_of_the_file(analysis: dict[str, Any]) -> None:
    game = analysis["game"]
    for i, (_, cells) in enumerate(game_view(analysis).rows()):
        for j, cell in enumerate(cells):
            for player, (mean, error, _) in enumerate(cell.payoffs):
                assert float(mean) == pytest.approx(game["mean"][player][i][j], abs=0.005)
                assert float(error) == pytest.approx(game["standard_error"][player][i][j], abs=0.005)


def test_a_table_that_is_too_large_is_cut_at_a_whole_row() -> None:
    size = 20
    zeros = np.zeros((size, size)).tolist()
    learned = {"profile": [0, 0], "payoffs": [0, 0], "standard_error": [0, 0], "regret": {}, "nash_conv": {}}
    names = [f"s{k}" for k in range(size)]
    analysis = {
        "game": {
            "players": ["a", "b"],
            "strategies": [names, names],
            "mean": [zeros] * 2,
            "standard_error": [zeros] * 2,
        },
        "pure": [],
        "mixed": [],
        "complete": "unknown",
        "completeness": "nothing was searched",
        "learned": learned,
        "social_optimum": {"profile": [0, 0], "welfare": 0.0},
        "response_graph": {"nodes": [], "edges": []},
        "sinks": [],
    }
    view = game_view(analysis)
    assert len(view.cells) % size == 0
    assert len(view.cells) <= MOST_PROFILES
    assert view.left_out == size * size - len(view.cells)
    assert view.complete == "Whether there are others is unknown: nothing was searched."


def test_profile_names() -> None:
    assert profile_names([1, 0], [["a", "b"], ["c"]]) == ["b", "c"]
