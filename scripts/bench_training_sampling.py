"""(b) Sampling against stock RLlib: agent turns a CPU second, of the same networks in the same env.

The env is mpe2's `simple_speaker_listener_v4`, 25 steps of two agents. RLlib has it through its own
`ParallelPettingZooEnv`, and samples with `MultiAgentEnvRunner` and its default connectors, from an RLModule that calls
the very `PolicyNetwork`s of ours; as many copies in one runner as ours plays in lockstep, or one, whichever is faster.
Ours is timed twice: through Episodes (each copy mpe2's env, with text face, prompts and records), and through the
array path, whose env is the batched twin; there the columns for the learner are in the time, RLlib's connectors to
its learner are not. Both sides hand out complete episodes with observations, actions, rewards and log-probabilities.
First the log-probabilities that both recorded are compared with the network's.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from bench_timing import Ratio, check_equal, interleave, rate, ratio, table
from ray.rllib.algorithms.ppo import MultiAgentConfig as RLlibPPOConfig
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module import MultiRLModuleSpec, RLModuleSpec
from ray.rllib.core.rl_module.torch import TorchRLModule
from ray.rllib.env.multi_agent_env_runner import MultiAgentEnvRunner
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

from envs.speaker_listener import parallel_env
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.array_batch import array_columns
from marl.learning.array_sampling import ArrayPlay
from marl.learning.config import MultiAgentConfig
from marl.learning.seating import learning_policies
from marl.learning.task import GROUP, Task
from marl.scenario import load_scenario
from marl.types import Episode

LEAST = 3.0
STEPS, EPISODES = 25, 64
SETTINGS = ["policies.speaker={kind: network}", "policies.listener={kind: network}", f"training.episodes={EPISODES}"]
ENV = "speaker_listener"


class Wrapped(TorchRLModule):
    """One of our networks as RLlib's module: its log-probabilities are the logits of a categorical distribution."""

    def setup(self) -> None:
        """Take over the network that the config holds."""
        self.network = self.model_config["network"]

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Any]:
        seen = batch[Columns.OBS]
        legal = torch.ones(len(seen), self.network.head.out_features, dtype=torch.bool)
        legal[:, self.action_space.n :] = False
        return {Columns.ACTION_DIST_INPUTS: self.network(seen, legal)[:, : self.action_space.n]}


def stock(networks: Mapping[str, Any], copies: int) -> MultiAgentEnvRunner:
    """RLlib's runner over `copies` envs with `networks`, by agent."""
    register_env(ENV, lambda _: ParallelPettingZooEnv(parallel_env(max_cycles=STEPS)))
    env = ParallelPettingZooEnv(parallel_env(max_cycles=STEPS))
    specs = {
        agent: RLModuleSpec(
            module_class=Wrapped,
            observation_space=env.observation_space[agent],
            action_space=env.action_space[agent],
            model_config={"network": network},
        )
        for agent, network in networks.items()
    }
    config = RLlibPPOConfig().environment(ENV, disable_env_checking=True)
    config.multi_agent(policies=set(networks), policy_mapping_fn=lambda agent, *_, **__: agent)
    config.rl_module(rl_module_spec=MultiRLModuleSpec(rl_module_specs=specs))
    config.env_runners(num_env_runners=0, num_envs_per_env_runner=copies, batch_mode="complete_episodes")
    return MultiAgentEnvRunner(config=config)


def check_stock(episodes: list[Any], networks: Mapping[str, Any]) -> int:
    """Compare RLlib's recorded log-probabilities with the networks'; the number of agent turns."""
    turns = 0
    for episode in episodes:
        for agent, own in episode.agent_episodes.items():
            seen = torch.as_tensor(np.asarray(own.get_observations()[:-1]))
            actions = torch.as_tensor(np.asarray(own.get_actions()))
            legal = torch.ones(len(seen), networks[agent].head.out_features, dtype=torch.bool)
            legal[:, own.action_space.n :] = False
            with torch.no_grad():
                table = networks[agent](seen, legal)
            told = table.gather(-1, actions[:, None]).squeeze(-1)
            check_equal(f"RLlib's log-probabilities of {agent}", own.get_extra_model_outputs("action_logp"), told)
            turns += len(actions)
    return turns


def check_ours(episodes: list[Episode], play: ArrayPlay, networks: Mapping[str, Any]) -> None:
    """The same of ours, on both paths."""
    for agent, network in networks.items():
        turns = [turn for episode in episodes for turn in episode.turns if turn.agent == agent]
        inputs = torch.as_tensor(np.stack([turn.inputs for turn in turns]))
        legal = torch.zeros(len(turns), network.head.out_features, dtype=torch.bool)
        legal[:, : len(turns[0].options)] = True
        with torch.no_grad():
            table = network(inputs, legal).numpy()
        told = table[np.arange(len(turns)), [turn.token_ids[0] for turn in turns]]
        check_equal(f"our log-probabilities of {agent}", [turn.log_probs[0] for turn in turns], told)
        moments = play.moments[agent]
        inputs, legal = torch.as_tensor(np.stack(moments.inputs)), torch.as_tensor(np.stack(moments.legal))
        with torch.no_grad():
            table = network(inputs, legal)
        told = table.gather(-1, torch.as_tensor(np.stack(moments.picks))[..., None])[..., 0]
        check_equal(f"our array path's log-probabilities of {agent}", np.stack(moments.log_probs), told)


def measure(rounds: int) -> list[dict[str, Any]]:
    """Check all ways, time them, and print the table."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    scenario = load_scenario(ENV, SETTINGS)
    algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario))
    networks = {agent: algorithm.actors()[name].network for agent, name in scenario.seats.items()}
    sampler = algorithm._arrays
    assert sampler is not None

    def through_episodes(number: int) -> list[Episode]:
        return algorithm.play(Task(tuple(range(number * EPISODES, (number + 1) * EPISODES)), 5))

    def through_arrays(number: int) -> ArrayPlay:
        play = sampler.play(number)
        array_columns(play, scenario, learning_policies(scenario), algorithm.config.layout)
        return play

    runners = {f"RLlib, {copies} in one runner": stock(networks, copies) for copies in (1, GROUP)}
    ways: dict[str, Any] = {"Episodes": through_episodes, "arrays": through_arrays}
    for name, runner in runners.items():
        ways[name] = lambda number, runner=runner: runner.sample(num_episodes=EPISODES)
    check_ours(through_episodes(10**6), sampler.play(10**6), networks)
    turns = dict.fromkeys(("Episodes", "arrays"), EPISODES * STEPS * 2)
    turns |= {name: check_stock(runner.sample(num_episodes=EPISODES), networks) for name, runner in runners.items()}
    times = interleave(ways, lambda number: number, rounds)
    algorithm.stop()
    rates = {name: rate(times, name, turns[name]) for name in ways}
    best = max(runners, key=lambda name: rates[name])
    found: dict[str, Ratio] = {
        name: ratio(times, best, name, turns[name] / turns[best]) for name in ("Episodes", "arrays")
    }
    lines = [[name, f"{rates[name]:,.0f}", f"{found[name]} (>= {LEAST:g})" if name in found else ""] for name in ways]
    table("(b) sampling", ["way", "agent turns a CPU second", f"times those of {best}"], lines)
    return [{"rates": rates, "ratios": found, "over": best, "bar": LEAST, "turns": turns, "cpu_seconds": times}]
