import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from known_games import volunteers_dilemma

from marl.errors import SolverError
from marl.games import EmpiricalGame, NormalFormGame, analyze, mixed_equilibria, summarize

NAMES = {"scout_0": ("trained", "hare"), "partner_0": ("trained", "hare")}
STAG = np.array([[[9.0, 0.0], [8.0, 7.0]], [[9.0, 8.0], [0.0, 7.0]]])


def played(payoffs: np.ndarray, episodes: int = 64, noise: float = 1.0, seed: int = 0) -> dict[Any, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        p: payoffs[(slice(None), *p)] + noise * rng.normal(size=(episodes, len(payoffs)))
        for p in np.ndindex(payoffs.shape[1:])
    }


def analysis(learned: tuple[Any, ...] = (0, 0), drop: tuple[int, ...] | None = None, **kwargs: Any) -> dict[str, Any]:
    samples = played(STAG, **kwargs)
    if drop is not None:
        del samples[drop]
    return analyze(EmpiricalGame.from_samples(NAMES, samples), learned, rng=np.random.default_rng(0))


def test_has_the_fields_of_the_file_and_is_plain_json() -> None:
    found = analysis()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    expected = {
        "game", "pure", "mixed", "complete", "learned", "social_optimum", "price_of_anarchy", "price_of_stability",
        "response_graph", "sinks", "summary",
    }  # fmt: skip
    assert expected <= set(found)
    assert set(found["game"]) == {*("players", "strategies", "mean", "standard_error", "low", "high", "intervals", "n")}
    assert {"profile", "payoffs", "standard_error", "regret", "nash_conv"} <= set(found["learned"])
    assert set(found["learned"]["regret"]["scout_0"]) == {"mean", "low", "high", "best_response"}
    assert {"profile", "payoffs", "regret", "exact", "method", "support"} <= set(found["mixed"][0])
    assert set(found["response_graph"]["nodes"][0]) == {"id", "profile", "payoffs", "equilibrium", "learned"}
    assert set(found["response_graph"]["edges"][0]) == {"source", "target", "player", "gain", "standard_error"}
    assert all(set(sentence) == {"text", "numbers"} for sentence in found["summary"])


def test_stag_hunt_without_noise_says_what_the_theory_says() -> None:
    found = analysis(noise=0.0, episodes=4)
    assert found["pure"] == [[0, 0], [1, 1]]
    assert found["mixed"][0]["profile"] == [[0.875, 0.125], [0.875, 0.125]]
    assert found["mixed"][0]["exact"]
    assert found["complete"] == "yes"
    assert found["social_optimum"] == {"profile": [0, 0], "welfare": 18.0}
    assert found["price_of_anarchy"] == pytest.approx(18 / 14)
    assert found["price_of_stability"] == 1.0
    assert found["learned"]["nash_conv"] == {"mean": 0.0, "low": 0.0, "high": 0.0}
    assert found["pure_epsilon"] == [0.0, 0.0]
    nodes = {node["id"]: node for node in found["response_graph"]["nodes"]}
    assert [[nodes[i]["profile"] for i in sink] for sink in found["sinks"]] == [[[0, 0]], [[1, 1]]]
    assert [node["profile"] for node in nodes.values() if node["learned"]] == [[0, 0]]


def test_equilibria_are_exactly_those_of_the_means_and_carry_their_noise() -> None:
    samples = played(STAG, noise=2.0)
    game = EmpiricalGame.from_samples(NAMES, samples)
    found = analyze(game, (0, 0), rng=np.random.default_rng(0))
    exact = mixed_equilibria(game.to_normal_form()).equilibria
    assert len(found["pure"]) + len(found["mixed"]) == len(exact)
    for one in found["mixed"]:
        assert one["regret"] == 0.0
        assert 0 < one["epsilon"] < 3
        assert min(one["standard_error"]) > 0
    assert all(bound >= 0 for bound in found["pure_epsilon"])


def test_two_equal_policies_make_a_degenerate_game_that_is_solved() -> None:
    means = np.repeat(np.repeat(STAG, 2, axis=1), 2, axis=2)
    names = dict.fromkeys(NAMES, ("trained", "copy", "hare", "rabbit"))
    game = EmpiricalGame.from_samples(names, played(means, episodes=4, noise=0.0))
    found = analyze(game, (0, 0), rng=np.random.default_rng(0))
    assert len(found["pure"]) == 8
    assert found["complete"] == "yes"
    assert any("mixtures of those that share a strategy" in sentence["text"] for sentence in found["summary"])


def test_missing_profiles_leave_what_is_proved() -> None:
    found = analysis(drop=(1, 0))
    assert found["missing"] == [[1, 0]]
    assert found["game"]["mean"][0][1][0] is None
    assert found["pure"] == []
    assert found["complete"] == "unknown"
    assert found["price_of_anarchy"] is None
    assert found["learned"]["unplayed_switches"] == {"scout_0": ["hare"], "partner_0": []}
    assert len(found["response_graph"]["nodes"]) == 3
    json.dumps(found, allow_nan=False)


def test_three_players() -> None:
    payoffs = volunteers_dilemma(3)
    names = {f"player_{i}": ("help", "wait") for i in range(3)}
    game = EmpiricalGame.from_samples(names, played(payoffs, episodes=4, noise=0.0))
    found = analyze(game, ("help", "wait", "wait"), rng=np.random.default_rng(0))
    assert (len(found["pure"]), len(found["mixed"]), found["complete"]) == (3, 4, "yes")
    assert found["learned"]["nash_conv"]["high"] == 0


def test_one_name_for_runs_and_one_for_games() -> None:
    assert summarize is analyze


def test_same_stream_same_file() -> None:
    assert analysis() == analysis()


def test_what_cannot_be_analyzed_is_refused() -> None:
    with pytest.raises(SolverError, match="was never played; play it first"):
        analysis(learned=(1, 0), drop=(1, 0))
    with pytest.raises(SolverError, match="has 1 episode"):
        analysis(episodes=1)
    with pytest.raises(SolverError, match="no strategy 'stag'"):
        analysis(learned=("stag", 0))


def test_the_package_imports_quickly_and_little() -> None:
    code = (
        "import time; start = time.process_time(); import sys, marl.games; spent = time.process_time() - start;"
        "heavy = {'torch', 'ray', 'pydantic', 'gymnasium', 'pettingzoo', 'matplotlib', 'pandas'} & set(sys.modules);"
        "print(heavy or 'light', spent < 0.6)"
    )
    command, found = [sys.executable, "-c", code], []
    while len(found) < 5 and found[-1:] != [["light", "True"]]:  # other work on the machine makes CPU time dearer
        found.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert found[-1] == ["light", "True"]


def test_normal_form_of_means_is_public() -> None:
    game = EmpiricalGame.from_samples(NAMES, played(STAG, episodes=4, noise=0.0))
    assert isinstance(game.to_normal_form(), NormalFormGame)
