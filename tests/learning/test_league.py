from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from handmade import make_episode

from marl.errors import ScenarioError
from marl.experiment import policies_of, untrained_policies
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.config import MultiAgentConfig
from marl.learning.league import DECAY, League, Member
from marl.learning.metrics import is_timed
from marl.learning.trainer import Trainer
from marl.policies import LanguageModelPolicy
from marl.policies.league import LeaguePolicy, drawn
from marl.rollout import play
from marl.scenario import load_scenario, validate_scenario
from marl.settings import LeagueSettings, Scenario
from marl.store import RunDirectory

MakeScenario = Callable[..., Scenario]
MakeRun = Callable[[Scenario, str], Path]


def against_its_past(scenario: Scenario, learner: dict[str, Any] | None = None, **league: Any) -> Scenario:
    """guest_0 learns, on the other seats sits its league."""
    data = scenario.model_dump()
    data["policies"] = {
        "guest": {"kind": "language_model", **(learner or {})},
        "past": {"kind": "league", "of": "guest", **league},
    }
    data["seats"] = {agent: "guest" if agent == "guest_0" else "past" for agent in data["seats"]}
    return validate_scenario(data)


class Actor:
    """Something with weights."""

    def __init__(self) -> None:
        self.weights = {"w": np.zeros(2)}

    def get_state(self, inference_only: bool) -> Any:
        return self.weights


def league_with(sampling: str, scenario: Scenario, *results: tuple[float, float]) -> League:
    league = League("past", LeagueSettings(kind="league", of="guest", sampling=sampling), scenario)  # type: ignore[arg-type]
    league.members = [Member(number, {}, wins, games) for number, (wins, games) in enumerate(results)]
    return league


@pytest.fixture
def scenario(make_scenario: MakeScenario) -> Scenario:
    return against_its_past(make_scenario(2))


def test_uniform_sampling_is_the_average_of_the_past(scenario: Scenario) -> None:
    assert league_with("uniform", scenario, (5, 5), (0, 5), (1, 9)).probabilities() == pytest.approx([1 / 3] * 3)


def test_prioritized_sampling_squares_what_the_learner_loses(scenario: Scenario) -> None:
    league = league_with("prioritized", scenario, (9.5, 9), (0, 0), (2.5, 9))
    # Win rates with one drawn game added: 1, 1/2 and 3/10, so (1 - p)^2 is 0, 0.25 and 0.49.
    assert league.probabilities() == pytest.approx([0.0, 0.25 / 0.74, 0.49 / 0.74])


def test_members_join_when_due_are_copies_and_the_newest_stay(scenario: Scenario) -> None:
    actor: Any = Actor()
    league = League("past", LeagueSettings(kind="league", of="guest", every=2, size=3), scenario)
    for iteration in range(10):
        actor.weights["w"][:] = iteration
        league.advance(iteration, actor)
    assert [member.iteration for member in league.members] == [4, 6, 8]
    assert [member.state["w"].tolist() for member in league.members] == [[4, 4], [6, 6], [8, 8]]
    newest = League("past", LeagueSettings(kind="league", of="guest", every=1, sampling="latest"), scenario)
    for iteration in range(3):
        newest.advance(iteration, actor)
    assert newest.lineup().iterations == (2,)


def test_wins_are_counted_against_the_member_that_played(scenario: Scenario) -> None:
    league = league_with("uniform", scenario, (0, 0), (0, 0))
    league.members[0].wins, league.members[0].games = 1.0, 2.0
    payoffs = [(1.0, 0.0), (0.0, 1.0), (0.5, 0.5), (2.0, 1.0)]
    episodes = [
        make_episode([], index=index, returns={"guest_0": mine, "guest_1": theirs})
        for index, (mine, theirs) in enumerate(payoffs)
    ]
    episodes.append(make_episode([], index=9, outcome="failed", returns={"guest_0": 9.0, "guest_1": 0.0}))
    league.book(episodes)
    expected = {0: [DECAY * 1.0, DECAY * 2.0], 1: [0.0, 0.0]}
    for index, score in enumerate((1.0, 0.0, 0.5, 1.0)):
        place = drawn(0, "past", [0.5, 0.5], index)
        expected[place] = [expected[place][0] + score, expected[place][1] + 1]
    assert [[m.wins, m.games] for m in league.members] == [pytest.approx(expected[0]), pytest.approx(expected[1])]
    assert league.report() == {"league/past/members": 2, "league/past/win_rate": 2.5 / 4}


@pytest.mark.parametrize("of", ["past", "nobody", "absent"])
def test_a_league_needs_a_seated_learner(scenario: Scenario, of: str) -> None:
    data = scenario.model_dump()
    data["policies"]["absent"] = {"kind": "language_model"}
    data["policies"]["past"]["of"] = of
    with pytest.raises(ScenarioError, match=r"policies\.past: a league needs a seated policy that learns.*'guest'"):
        validate_scenario(data)


def test_members_play_the_weights_of_their_time_and_only_the_learner_learns(make_scenario: MakeScenario) -> None:
    scenario = against_its_past(make_scenario(3, training={"lr": 1e-2}), every=1, size=2)
    algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario))
    weights = []
    for _ in range(3):
        weights.append([p.detach().clone() for p in algorithm.actors()["guest"].parameters()])
        algorithm.train()
        assert len(algorithm.learner._rows["guest"]) == 6, "one turn of guest_0 in each episode"
        assert set(algorithm.learner._rows) == {"guest"}
    assert algorithm._here is not None
    past = algorithm._here._policies["past"]
    assert isinstance(past, LeaguePolicy)
    assert algorithm.leagues["past"].lineup().iterations == (2, 3)
    # The last iteration was played against the weights before the second and the third one.
    for member, expected in zip(past.members, weights[1:], strict=True):
        assert isinstance(member, LanguageModelPolicy)
        assert all(torch.equal(a, b) for a, b in zip(member.model.network.parameters(), expected, strict=True))
    algorithm.stop()


def test_an_adapters_past_is_adapters_over_the_same_base(make_scenario: MakeScenario) -> None:
    scenario = against_its_past(make_scenario(2), {"lora": {"rank": 2, "alpha": 4}}, every=1)
    algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario))
    algorithm.train()
    algorithm.train()
    assert algorithm._here is not None
    past, guest = algorithm._here._policies["past"], algorithm._here._policies["guest"]
    assert [member.model is guest.model for member in past.members] == [True, True]
    assert len({guest.adapter, *(member.adapter for member in past.members)}) == 3
    now, before = (guest.model.adapter_parameters(p.adapter) for p in (guest, past.members[1]))
    assert any(not torch.equal(now[name], before[name]) for name in now)
    algorithm.stop()


def test_a_league_is_resumed_and_exported(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    training = {"iterations": 4, "evaluation_episodes": 4, "evaluate_every": 2, "lr": 3e-3}
    scenario = against_its_past(make_scenario(2, training=training), every=1, size=3, sampling="prioritized")
    straight, broken = make_run(scenario, "straight"), make_run(scenario, "broken")
    with Trainer(scenario, straight) as trainer:
        trainer.run()
        expected = play(scenario, trainer.policies(), range(8), seed=1)
        trainer.export(straight / "policies")
    with Trainer(scenario, broken) as trainer:
        trainer.run(should_stop=lambda row: row["iteration"] == 2)
    with Trainer(scenario, broken, resume=True) as trainer:
        trainer.run()
        members = trainer.algorithm.leagues["past"].members
    assert [(member.iteration, member.games > 0) for member in members] == [(2, True), (3, True), (4, False)]
    one, two = (
        [{k: v for k, v in row.items() if not is_timed(k)} for row in RunDirectory(path).metrics()]
        for path in (straight, broken)
    )
    assert one == two
    assert one[-1]["league/past/members"] == 3
    exported = policies_of(RunDirectory(straight))
    assert isinstance(exported["past"], LeaguePolicy)
    again = play(scenario, exported, range(8), seed=1)
    assert [[t.log_probs for t in e.turns] for e in again] == [[t.log_probs for t in e.turns] for e in expected]
    untrained = untrained_policies(scenario, exported)
    assert untrained["past"].members == (untrained["guest"],)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_league_on_two_actors_is_trained_as_here(ray_of_two: None) -> None:
    rows, weights = [], []
    for runners in (0, 2):
        small = ["training.episodes=40", f"training.env_runners={runners}", "training.lr=0.003", "training.epochs=1"]
        data = load_scenario("stag_hunt", small).model_dump()
        league = {"kind": "league", "of": "guest", "every": 1, "size": 2, "sampling": "prioritized"}
        data["policies"] = {"guest": {"kind": "language_model"}, "past": league}
        data["seats"] = dict(zip(data["seats"], ("guest", "past"), strict=True))
        algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(validate_scenario(data)))
        for _ in range(3):
            algorithm.train()
        rows.append({key: value for key, value in algorithm.row.items() if not is_timed(key)})
        weights.append([p.detach().clone() for p in algorithm.learner.module["guest"].parameters()])
        algorithm.stop()
    assert rows[0] == rows[1]
    assert 0 < rows[0]["league/past/win_rate"] < 1
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
