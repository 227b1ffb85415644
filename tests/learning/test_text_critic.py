"""The critic that reads text: what it reads, whose weights it moves, and that it can tell states apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from handmade import make_episode, make_message, make_turn

from marl.errors import LearningError, ScenarioError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.batch import CRITIC, column_batch
from marl.learning.config import MultiAgentConfig
from marl.learning.features import CriticLayout, critic_columns, final_reading, reading
from marl.learning.language_actor import LanguageModelActor
from marl.learning.task import Task
from marl.learning.text_critic import TextCritic
from marl.scenario import load_scenario
from marl.settings import Scenario

LAYOUT = CriticLayout(("x", "y"), 0, "everything", messages=False, text=True)
SPACE = gym.spaces.Discrete(1)
LORA = {"lora": {"rank": 2, "alpha": 4}}


@pytest.fixture
def build(make_scenario: Callable[..., Scenario]) -> Iterator[Callable[..., MultiAgentAlgorithm]]:
    made: list[MultiAgentAlgorithm] = []

    def make(agents: int = 2, critic: dict[str, Any] | None = None, **kwargs: Any) -> MultiAgentAlgorithm:
        training = {"critic": {"kind": "text", "epochs": 2, **(critic or {})}, **kwargs.pop("training", {})}
        scenario = make_scenario(agents, training=training, **kwargs)
        made.append(MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario)))
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()


def words(columns: dict[str, np.ndarray]) -> list[str]:
    return [row.tobytes().rstrip(b"\0").decode() for row in columns["text"]]


def text_critic(algorithm: MultiAgentAlgorithm) -> TextCritic:
    critic = algorithm.learner.critic()
    assert isinstance(critic, TextCritic)
    return critic


def columns_of(texts: list[str], agent: list[int]) -> dict[str, torch.Tensor]:
    episode = make_episode([])
    turns = [make_turn(0, "xy"[number], state_text=text) for text, number in zip(texts, agent, strict=True)]
    columns = critic_columns(LAYOUT, [reading(LAYOUT, episode, turn) for turn in turns])
    return {key: torch.as_tensor(value) for key, value in columns.items()}


def test_the_text_is_the_state_all_messages_and_whose_turn_it_is() -> None:
    episode = make_episode([], [make_message("x", "go nörth"), make_message("y", "yes", hearers=("x",))])
    talking = make_turn(1, "y", phase="talk", round=1, said=(0,), heard=(), state_text="The stag is north.")
    acting = make_turn(2, "x", said=(0, 1), state_text="It is gone.", next_state=np.zeros(0), next_state_text="Cut.")
    after = final_reading(LAYOUT, episode, acting)
    assert after is not None
    rows = [reading(LAYOUT, episode, talking), reading(LAYOUT, episode, acting), after]
    assert words(critic_columns(LAYOUT, rows)) == [
        "The stag is north.\nx said: go nörth\ny speaks in round 2. Value:",
        "It is gone.\nx said: go nörth\ny said: yes\nx acts. Value:",
        "Cut.\nx said: go nörth\ny said: yes\nx acts. Value:",
    ]
    with pytest.raises(LearningError, match="state_text"):
        reading(LAYOUT, episode, make_turn(0, "x"))


def test_play_records_the_state_s_text_where_it_is_read_and_only_there(
    build: Callable[..., MultiAgentAlgorithm], make_scenario: Callable[..., Scenario]
) -> None:
    algorithm = build(2, talk_rounds=1, steps=2, cut=True, stateless=True)
    episodes = algorithm.play(Task((0, 1), 5))
    found = words(column_batch(episodes, {"guest"}, algorithm.config.layout)[CRITIC])
    assert all(f"the door of guest_{number} is" in text for text in found for number in (0, 1))
    assert sum("said:" in text for text in found) >= len(found) // 2
    network = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(make_scenario(1)))
    assert all(turn.state_text is None for episode in network.play(Task((0,), 5)) for turn in episode.turns)
    network.stop()


@pytest.mark.parametrize("policies", [None, {"one": LORA, "two": LORA}], ids=["whole", "lora"])
@pytest.mark.parametrize("trunk", ["frozen", "trained"])
def test_the_value_s_gradient_reaches_no_actor(
    build: Callable[..., MultiAgentAlgorithm], policies: Any, trunk: str
) -> None:
    algorithm = build(2, {"trunk": trunk}, policies=policies)
    critic = text_critic(algorithm)
    columns = columns_of(["a red door", "a blue door"], [0, 1])
    critic.forward_train(columns)["values"].square().sum().backward()
    for name, actor in algorithm.actors().items():
        assert isinstance(actor, LanguageModelActor)
        assert all(parameter.grad is None for parameter in actor.parameters()), name
        assert all(parameter.grad is None for parameter in actor.model.network.parameters()), name
        shared = actor.model is critic.model
        assert shared == (trunk == "frozen" and policies is not None), "frozen bases are in memory once"
    assert critic.head.weight.grad is not None
    reached = [parameter.grad for parameter in critic.model.network.parameters() if parameter.grad is not None]
    assert bool(reached) == (trunk == "trained")
    small = sum(parameter.numel() for parameter in critic.parameters())
    assert (small > 100_000) == (trunk == "trained"), "a frozen trunk is in no optimizer and no checkpoint"


@pytest.mark.parametrize("trunk", ["frozen", "trained"])
def test_values_fit_a_payoff_that_only_the_words_tell(build: Callable[..., MultiAgentAlgorithm], trunk: str) -> None:
    """Four states, two agents: y's value is the opposite of x's; both are fitted to a hundredth of their variance."""
    algorithm = build(1, {"trunk": trunk, "model": "nano", "width": 32})
    config = text_critic(algorithm).model_config | {"agents": 2}
    critic = TextCritic(observation_space=SPACE, action_space=SPACE, model_config=config)
    places = [(stag, hare) for stag in ("north", "south") for hare in ("east", "west")]
    texts = [f"The stag is {stag} and the hare is {hare}." for stag, hare in places]
    columns = columns_of(texts * 2, [0] * 4 + [1] * 4)
    payoff = torch.tensor([2.0, -1.0, 0.5, -1.5])
    targets = torch.cat([payoff, -payoff])
    optimizer = torch.optim.Adam(critic.groups(3e-3))
    for _ in range(60):
        optimizer.zero_grad()
        loss = (critic.forward_train(columns)["values"] - targets).square().mean()
        loss.backward()
        optimizer.step()
    left = (critic.values_of(columns) - targets).square().mean()
    assert float(left) < 0.01 * float(targets.var())


def test_values_do_not_depend_on_company_or_pieces(build: Callable[..., MultiAgentAlgorithm]) -> None:
    critic = text_critic(build(2, {"trunk": "trained"}))
    texts = ["a", "a long text about a red door and a blue door", "a red door", "a"]
    columns = columns_of(texts, [0, 1, 0, 1])
    together = critic.values_of(columns)
    alone = [critic.values_of(columns_of([text], [agent])) for text, agent in zip(texts, [0, 1, 0, 1], strict=True)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
    rows = torch.tensor([3, 1, 2])
    pieces = critic.pieces(columns, rows, 12)
    assert sorted(torch.cat(pieces).tolist()) == [1, 2, 3]
    assert len(pieces) > 1
    torch.testing.assert_close(critic.values_at(columns, rows, 12), together[rows], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trunk", ["frozen", "trained"])
def test_training_moves_what_is_to_learn(build: Callable[..., MultiAgentAlgorithm], trunk: str) -> None:
    algorithm = build(2, {"trunk": trunk}, policies={"one": LORA, "two": LORA}, talk_rounds=1, steps=2, cut=True)
    critic = text_critic(algorithm)
    base = [p.detach().clone() for p in critic.model.network.parameters()]
    head = critic.middle[1].weight.detach().clone()
    algorithm.train()
    assert algorithm.row["losses/first_ratio_deviation"] < 1e-5
    assert algorithm.row["losses/value_loss"] > 0
    assert not torch.equal(head, critic.middle[1].weight)
    still = [p for name, p in critic.model.network.named_parameters() if "lora" not in name]
    if trunk == "frozen":
        named = [name for name, _ in critic.model.network.named_parameters()]
        kept = [old for name, old in zip(named, base, strict=True) if "lora" not in name]
        assert all(torch.equal(a, b) for a, b in zip(kept, still, strict=True))
    else:
        assert any(not torch.equal(a, b) for a, b in zip(base, still, strict=True))
        ((_, optimizer),) = algorithm.learner.get_optimizers_for_module(CRITIC)
        assert [group["lr"] for group in optimizer.param_groups] == [3e-3, 1e-4]


def test_a_resumed_run_reads_what_one_in_one_go_reads(build: Callable[..., MultiAgentAlgorithm]) -> None:
    """States that the first one kept from an iteration before had been computed beside other texts."""
    straight, resumed = (build(2, policies={"one": LORA, "two": LORA}, talk_rounds=1) for _ in range(2))
    straight.train()
    resumed.learners.set_state(straight.learners.get_state())
    resumed.rounds = straight.rounds
    for algorithm in (straight, resumed):
        algorithm.train()
    one, two = (text_critic(algorithm).state_dict() for algorithm in (straight, resumed))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_who_reads_must_be_named_and_only_mappo_has_such_a_reader(make_scenario: Callable[..., Scenario]) -> None:
    with pytest.raises(ScenarioError, match="mappo"):
        make_scenario(1, training={"algorithm": "ippo", "critic": {"kind": "text"}})
    networks = ["policies.first={kind: network}", "policies.second={kind: network}", "training.critic.kind=text"]
    nobody = load_scenario("climbing", networks)
    with pytest.raises(LearningError, match=r"training\.critic\.model"):
        MultiAgentConfig.for_scenario(nobody).get_multi_rl_module_spec()
    named = load_scenario("climbing", [*networks, "training.critic.model=nano"])
    spec = MultiAgentConfig.for_scenario(named).get_multi_rl_module_spec().rl_module_specs[CRITIC]
    assert spec.module_class is TextCritic
