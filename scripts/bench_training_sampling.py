"""(b) Sampling against stock RLlib: agent turns a CPU second, of the same networks in the same env.

`speaker_listener` is mpe2's `simple_speaker_listener_v4`, 25 steps of two agents, whose own step is dear;
`prisoners_dilemma` over 25 rounds and `rendezvous` over 3 days are games of Parley's, whose steps are cheap. RLlib has
them through its own `ParallelPettingZooEnv`, and samples with `MultiAgentEnvRunner` and its default connectors, from an
RLModule that calls the very `PolicyNetwork`s of ours; as many copies in one runner as ours plays in lockstep, or one,
whichever is faster. Ours goes through Episodes (each copy the very env, with text face, prompts and records) and, where
the env has a batched twin, through the array path, too; there the columns for the learner are in the time, RLlib's
connectors to its learner are not. Both sides hand out complete episodes with observations, actions, rewards and
log-probabilities. First the log-probabilities that both recorded are compared with the network's.

`env alone` only resets and steps the env, with the actions 0: what no way of sampling from it can fall below. The share
is its time over that of the way.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from bench_timing import Ratio, check_equal, interleave, rate, ratio, table
from ray.rllib.algorithms.ppo import PPOConfig as RLlibPPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module import MultiRLModuleSpec, RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.env.multi_agent_env_runner import MultiAgentEnvRunner
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.array_batch import array_columns
from marl.learning.array_sampling import ArrayPlay, turns
from marl.learning.config import MultiAgentConfig
from marl.learning.seating import learning_policies
from marl.learning.task import GROUP, Task
from marl.scenario import load_scenario, make_env
from marl.settings import Scenario
from marl.types import Episode

LEAST = 3.0
NETWORK = "{kind: network, hidden: [64, 64]}"


@dataclass(frozen=True)
class Game:
    """A packaged scenario, to be played by a network on each of its seats, `episodes` at a time."""

    name: str
    episodes: int
    settings: tuple[str, ...] = ()

    def scenario(self) -> Scenario:
        """As it is played here."""
        networks = [f"policies.{name}={NETWORK}" for name in load_scenario(self.name).policies]
        return load_scenario(self.name, [*networks, *self.settings, f"training.episodes={self.episodes}"])


GAMES = (
    Game("speaker_listener", 64),
    Game("prisoners_dilemma", 64, ("channel.topology=none", "channel.talk_rounds=0", "env.kwargs.rounds=25")),
    Game("rendezvous", 512),
)


class Wrapped(TorchRLModule):
    """One of our networks as RLlib's module: its log-probabilities are the logits of a categorical distribution."""

    def setup(self) -> None:
        """Take over the network that the config holds."""
        self.network = self.model_config["network"]

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Any]:
        seen = proper(batch[Columns.OBS])
        legal = torch.ones(len(seen), self.network.head.out_features, dtype=torch.bool)
        legal[:, self.action_space.n :] = False
        return {Columns.ACTION_DIST_INPUTS: self.network(seen, legal)[:, : self.action_space.n]}


def proper(seen: Any) -> Any:
    """The observation without the mask beside it, which allows everything in these games."""
    return seen["observation"] if isinstance(seen, Mapping) else seen


def stock(scenario: Scenario, networks: Mapping[str, Any], copies: int) -> MultiAgentEnvRunner:
    """RLlib's runner over `copies` envs with `networks`, by agent."""
    register_env(scenario.name, lambda _: ParallelPettingZooEnv(make_env(scenario)))
    env = ParallelPettingZooEnv(make_env(scenario))
    specs = {
        agent: RLModuleSpec(
            module_class=Wrapped,
            observation_space=env.observation_space[agent],
            action_space=env.action_space[agent],
            model_config={"network": network},
        )
        for agent, network in networks.items()
    }
    config = RLlibPPOConfig().environment(scenario.name, disable_env_checking=True)
    config.multi_agent(policies=set(networks), policy_mapping_fn=lambda agent, *_, **__: agent)
    config.rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs=specs))
    config.env_runners(num_env_runners=0, num_envs_per_env_runner=copies, batch_mode="complete_episodes")
    return MultiAgentEnvRunner(config=config)


def check_stock(episodes: list[Any], networks: Mapping[str, Any]) -> int:
    """Compare RLlib's recorded log-probabilities with the networks'; the number of agent turns."""
    turns = 0
    for episode in episodes:
        for agent, own in episode.agent_episodes.items():
            seen = torch.as_tensor(np.asarray(proper(own.get_observations(slice(0, -1)))))
            actions = torch.as_tensor(np.asarray(own.get_actions()))
            legal = torch.ones(len(seen), networks[agent].head.out_features, dtype=torch.bool)
            legal[:, own.action_space.n :] = False
            with torch.no_grad():
                table = networks[agent](seen, legal)
            told = table.gather(-1, actions[:, None]).squeeze(-1)
            check_equal(f"RLlib's log-probabilities of {agent}", own.get_extra_model_outputs("action_logp"), told)
            turns += len(actions)
    return turns


def check_episodes(episodes: list[Episode], networks: Mapping[str, Any]) -> int:
    """The same of our Episodes."""
    for agent, network in networks.items():
        turns = [turn for episode in episodes for turn in episode.turns if turn.agent == agent]
        inputs = torch.as_tensor(np.stack([turn.inputs for turn in turns]))
        legal = torch.zeros(len(turns), network.head.out_features, dtype=torch.bool)
        legal[:, : len(turns[0].options)] = True
        with torch.no_grad():
            table = network(inputs, legal).numpy()
        told = table[np.arange(len(turns)), [turn.token_ids[0] for turn in turns]]
        check_equal(f"our log-probabilities of {agent}", [turn.log_probs[0] for turn in turns], told)
    return sum(len(episode.turns) for episode in episodes)


def check_arrays(play: ArrayPlay, networks: Mapping[str, Any]) -> int:
    """The same of our array path."""
    for agent, network in networks.items():
        moments = play.moments[agent]
        inputs, legal = torch.as_tensor(np.stack(moments.inputs)), torch.as_tensor(np.stack(moments.legal))
        with torch.no_grad():
            table = network(inputs, legal)
        told = table.gather(-1, torch.as_tensor(np.stack(moments.picks))[..., None])[..., 0]
        check_equal(f"our array path's log-probabilities of {agent}", np.stack(moments.log_probs), told)
    return sum(turns(play))


def alone(scenario: Scenario, episodes: int) -> None:
    """Reset and step the bare env through so many episodes."""
    env = make_env(scenario)
    still = dict.fromkeys(env.possible_agents, 0)
    for seed in range(episodes):
        env.reset(seed=seed)
        while env.agents:
            env.step(still)


def measure(rounds: int) -> list[dict[str, Any]]:
    """Check all ways, time them, and print a table a game."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    return [measure_game(game, rounds) for game in GAMES]


def measure_game(game: Game, rounds: int) -> dict[str, Any]:
    """See the module's text."""
    scenario = game.scenario()
    algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario))
    networks = {agent: algorithm.actors()[name].network for agent, name in scenario.seats.items()}
    sampler = algorithm._arrays

    def through_episodes(number: int) -> list[Episode]:
        return algorithm.play(Task(tuple(range(number * game.episodes, (number + 1) * game.episodes)), 5))

    def through_arrays(number: int) -> ArrayPlay:
        assert sampler is not None
        play = sampler.play(number)
        array_columns(play, scenario, learning_policies(scenario), algorithm.config.layout)
        return play

    runners = {f"RLlib, {copies} in one runner": stock(scenario, networks, copies) for copies in (1, GROUP)}
    ways: dict[str, Any] = {"Episodes": through_episodes}
    asked = {"Episodes": check_episodes(through_episodes(10**6), networks)}
    if sampler is not None:
        ways["arrays"] = through_arrays
        asked["arrays"] = check_arrays(sampler.play(10**6), networks)
    for name, runner in runners.items():
        ways[name] = lambda number, runner=runner: runner.sample(num_episodes=game.episodes)
        asked[name] = check_stock(runner.sample(num_episodes=game.episodes), networks)
    ours = list(asked)[: -len(runners)]
    ways["env alone"] = lambda number: alone(scenario, game.episodes)
    asked["env alone"] = asked["Episodes"]
    times = interleave(ways, lambda number: number, rounds)
    algorithm.stop()
    rates = {name: rate(times, name, asked[name]) for name in ways}
    best = max(runners, key=lambda name: rates[name])
    found: dict[str, Ratio] = {
        name: ratio(times, best, name, asked[name] / asked[best]) for name in (*ours, "env alone")
    }
    shares = {name: ratio(times, "env alone", name, asked[name] / asked["env alone"]) for name in ("Episodes", best)}
    header = ["way", "agent turns a CPU second", f"times those of {best}", "share of env alone"]
    lines = [
        [
            name,
            f"{rates[name]:,.0f}",
            f"{found[name]}" + (f" (>= {LEAST:g})" if name in ours else "") if name in found else "",
            f"{shares[name].median:.0%}" if name in shares else "",
        ]
        for name in ways
    ]
    table(f"(b) sampling, {game.name}", header, lines)
    return {
        "game": game.name,
        "rates": rates,
        "ratios": found,
        "shares": shares,
        "over": best,
        "bar": LEAST,
        "turns": asked,
        "cpu_seconds": times,
    }
