import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel

from marl.errors import SolverError
from marl.games.empirical import EmpiricalGame
from marl.games.meta_game import meta_game


def played(payoffs: Any, noise: float = 0.0, episodes: int = 20) -> EmpiricalGame:
    table = np.array(payoffs, dtype=float)
    rng = np.random.default_rng(1)
    names = {f"agent_{i}": ("talk", "mute")[:size] for i, size in enumerate(table.shape[1:])}
    samples = {
        p: table[(slice(None), *p)] + noise * rng.normal(size=(episodes, len(table)))
        for p in np.ndindex(table.shape[1:])
    }
    return EmpiricalGame.from_samples(names, samples)


def verdict(record: dict[str, Any]) -> str:
    return " ".join(sentence["text"] for sentence in record["verdict"])


def test_a_speaker_that_is_needed_talks() -> None:
    record = meta_game(played([[[1], [0.25]], [[1], [0.25]]]), "talk_or_mute", rng=np.random.default_rng(0))
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["switches"] == [{"player": "agent_0", "strategy": "mute", "gain": -0.75, "low": -0.75, "high": -0.75}]
    assert record["pure"] == [[0, 0]]
    assert "(agent_0 “talk”) is an equilibrium, and every switch costs who makes it" in verdict(record)


def test_in_a_conflict_silence_pays() -> None:
    record = meta_game(played([[[-1], [0]], [[1], [0]]], 0.3), "talk_or_mute", rng=np.random.default_rng(0))
    assert record["switches"][0]["low"] > 0
    assert record["pure"] == [[1, 0]]
    assert "(agent_0 “talk”) is not an equilibrium" in verdict(record)


def test_what_noise_hides_is_not_sure_and_what_changes_nothing_is_an_equilibrium() -> None:
    noisy = meta_game(played([[[1], [1]], [[1], [1]]], 1.0), "talk_or_mute", rng=np.random.default_rng(0))
    assert "Whether (agent_0 “talk”) is an equilibrium is not sure" in verdict(noisy)
    idle = meta_game(played([[[1], [1]], [[1], [1]]]), "talk_or_mute", rng=np.random.default_rng(0))
    assert "is an equilibrium (all" in verdict(idle)
    assert "“mute” changes agent_0's payoff by 0." in verdict(idle)


def test_a_single_switch_has_the_paired_t_interval() -> None:
    game = played([[[1], [0]], [[1], [0]]], 1.0)
    (one,) = meta_game(game, "x", rng=np.random.default_rng(0))["switches"]
    expected = ttest_rel(game.samples[1, 0][:, 0], game.samples[0, 0][:, 0]).confidence_interval(0.95)
    assert (one["low"], one["high"]) == pytest.approx((expected.low, expected.high), abs=0.03)


def test_somebody_needs_a_choice() -> None:
    with pytest.raises(SolverError, match="nobody has a choice"):
        meta_game(played([[[1]], [[1]]]), "talk_or_mute", rng=np.random.default_rng(0))
