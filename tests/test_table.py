from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from pettingzoo import AECEnv

from marl.errors import EnvError, ScenarioError
from marl.policies import scripted_policy
from marl.rollout import play
from marl.scenario import load_scenario, validate_scenario
from marl.settings import ScriptedSettings
from marl.table import Table, open_env

SCRIPTED = "marl.policies.scripted"


class Countdown(AECEnv[str, Any, int]):
    """Players in turn take 1 or 2 from a pile of five; whoever takes the last wins 1, the other loses 1."""

    metadata = {"name": "countdown_v0", "render_modes": []}

    def __init__(self) -> None:
        self.possible_agents = ["first_0", "second_0"]
        self.render_mode = None
        self.observation_spaces = {
            agent: gymnasium.spaces.Dict(
                observation=gymnasium.spaces.Box(0, 5, (1,), np.float32),
                action_mask=gymnasium.spaces.Box(0, 1, (2,), np.int8),
            )
            for agent in self.possible_agents
        }
        self.action_spaces = {agent: gymnasium.spaces.Discrete(2) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> Any:
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Any:
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: Any = None) -> None:
        self.agents = list(self.possible_agents)
        self.pile = 5
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self.agent_selection = "first_0"

    def observe(self, agent: str) -> Any:
        return {
            "observation": np.array([self.pile], dtype=np.float32),
            "action_mask": np.array([1, self.pile >= 2], dtype=np.int8),
        }

    def step(self, action: int | None) -> None:
        agent = self.agent_selection
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        assert action is not None
        other = next(name for name in self.possible_agents if name != agent)
        self._cumulative_rewards[agent] = 0.0
        self.pile -= action + 1
        self.rewards = dict.fromkeys(self.agents, 0.0)
        if self.pile == 0:
            self.rewards = {agent: 1.0, other: -1.0}
            self.terminations = dict.fromkeys(self.agents, True)
            self.infos = {name: {"success": float(name == agent)} for name in self.agents}
        self._accumulate_rewards()
        self.agent_selection = other

    def state(self) -> np.ndarray:
        return np.array([self.pile], dtype=np.float32)

    def rules(self, agent: str) -> str:
        return "Take one or two; who takes the last wins."

    def describe(self, agent: str, observation: Any) -> str:
        return f"{int(observation['observation'][0])} are left."

    def action_names(self, agent: str) -> list[str]:
        return ["one", "two"]

    def describe_state(self) -> str:
        return f"{self.pile} left"


def countdown(talk_rounds: int = 0, **changes: Any) -> Any:
    data = {
        "name": "countdown",
        "title": "Countdown",
        "kind": "competitive",
        "env": {"entry": f"{__name__}:Countdown"},
        "channel": {"talk_rounds": talk_rounds},
        "seats": {"first_0": "player", "second_0": "player"},
        "policies": {"player": {"kind": "scripted", "entry": f"{SCRIPTED}:random"}},
    }
    return validate_scenario({**data, **changes})


def player(name: str, **kwargs: Any) -> Any:
    return scripted_policy(name, ScriptedSettings(kind="scripted", entry=f"{SCRIPTED}:{name}", kwargs=kwargs))


def test_a_turn_taking_game_is_played_to_its_end_and_credited_by_turn() -> None:
    (episode,) = play(countdown(), {"player": player("constant", option="two")}, [0], seed=0)
    assert [(turn.agent, turn.text) for turn in episode.turns] == [("first_0", "two"), ("second_0", "two")]
    assert episode.returns == {"first_0": 1.0, "second_0": -1.0}, "the last take of one is forced and is no turn"
    assert [(turn.reward, turn.last) for turn in episode.turns] == [(1.0, True), (-1.0, True)]
    assert episode.outcome == "terminated"


def test_many_turn_taking_episodes_end_and_sum_to_zero() -> None:
    episodes = play(countdown(), {"player": player("random")}, range(50), seed=0)
    assert all(sum(episode.returns.values()) == 0 for episode in episodes)
    assert len({episode.returns["first_0"] for episode in episodes}) == 2
    for episode in episodes:
        for agent in episode.agents:
            rewards = [turn.reward for turn in episode.turns_of(agent)]
            assert sum(rewards) == episode.returns[agent]


def test_speakers_in_a_turn_taking_game_talk_before_they_act() -> None:
    (episode,) = play(countdown(talk_rounds=1), {"player": player("constant", option="two")}, [0], seed=0)
    assert [turn.phase for turn in episode.turns][:2] == ["talk", "act"]


def test_rewards_go_to_the_latest_turn_and_forced_moves_are_no_turns() -> None:
    scenario = load_scenario("lewis")
    policies = {"sender": player("random"), "receiver": player("random")}
    for episode in play(scenario, policies, range(20), seed=0):
        assert [(turn.agent, turn.phase) for turn in episode.turns] == [("sender_0", "talk"), ("receiver_0", "act")]
        assert [turn.reward for turn in episode.turns] == [episode.returns[turn.agent] for turn in episode.turns]
        assert all(turn.last for turn in episode.turns)
        assert episode.turns[1].heard == (0,)
        assert episode.turns[1].said == (0,)


def test_views_hold_what_the_agent_may_know_and_no_more() -> None:
    table = Table(load_scenario("scout_hunt"))
    seen = set()
    for index in range(12):
        table.open_record(0, index)
        table.begin()
        scout, partner = table.pending()
        assert table.episode.situation.removeprefix("the stag is ") in scout.prompt
        seen.add(partner.prompt)
        assert partner.prompt.endswith("\nSay:")
    assert len(seen) == 1, "the partner's prompt does not depend on the state before anybody spoke"


def test_one_agent_decides_and_the_state_is_recorded_for_the_critic() -> None:
    table = Table(load_scenario("scout_hunt"))
    table.open_record(0, 0)
    table.begin()
    decisions = {
        view.agent: decision for view in table.pending() for decision in player("tell_and_follow").decide([view])
    }
    table.apply(decisions, "default")
    assert [turn.state.shape for turn in table.episode.turns] == [(4,), (4,)]
    assert all(turn.state.dtype == np.float32 and turn.state.sum() == 1 for turn in table.episode.turns)
    assert table.episode.turns[0].features.shape == (5,)
    assert not np.array_equal(table.episode.turns[0].features, table.episode.turns[1].features)


def test_the_state_is_asked_for_once_a_move_and_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(load_scenario("scout_hunt"))
    table.open_record(0, 0)
    table.begin()
    seen = table.env.state().copy()
    asked: list[np.ndarray] = []

    def state() -> np.ndarray:
        asked.append(seen.copy())
        return asked[-1]

    monkeypatch.setattr(table.env.unwrapped, "state", state)
    while views := table.pending():
        table.apply({view.agent: player("tell_and_follow").decide([view])[0] for view in views}, "default")
    assert len(table.episode.turns) == 4
    assert len(asked) == 1, "talk moves no env"
    asked[0][:] = -1.0
    assert all(np.array_equal(turn.state, seen) for turn in table.episode.turns)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("env.entry='builtins:dict'", "returns dict, which is not a PettingZoo"),
        ("env.entry='no_such_package:env'", r"env\.entry: cannot import 'no_such_package'"),
        ("env.kwargs.valley=3", r"env\.kwargs: .* refuses"),
        ("env.kwargs.valleys=99", r"env\.kwargs: .*whole number from 2 to 8"),
        ("seats={scout_0: hunter}", r"seats: name exactly the env's agents \['scout_0', 'partner_0'\]"),
    ],
)
def test_what_cannot_be_opened_says_why(override: str, message: str) -> None:
    scenario = load_scenario("scout_hunt", [override, *(["env.kwargs={}"] if "builtins" in override else [])])
    with pytest.raises(ScenarioError, match=message):
        open_env(scenario)


def test_a_topology_that_names_unknown_agents_is_refused() -> None:
    from marl.errors import ChannelError

    scenario = load_scenario("scout_hunt", ["channel.topology={edges: [[scout_0, ghost_0]]}"])
    with pytest.raises(ChannelError, match=r"ghost_0.*scout_0"):
        open_env(scenario)


def test_an_agent_without_a_legal_action_is_an_env_error() -> None:
    table = Table(load_scenario("scout_hunt"))
    table.open_record(0, 0)
    table.begin()
    with pytest.raises(EnvError, match="no legal action"):
        table._legal("scout_0", {"action_mask": np.zeros(5)})
