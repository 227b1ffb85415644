"""Where training's wall time goes: the share outside model forward, backward and optimizer.

Trains a scenario as `marl train` does, on one torch thread, and times the calls of every network's forward (the
language models' inner networks and output embeddings, small networks, the critic), of backward, and of the optimizers'
steps. All the rest is overhead: environments, channel, prompts, tokenizing, sampling, batching, advantages, losses,
RLlib, records. The first iteration of each run is left out as warm-up. Shares are of wall time, so that a busy machine
hardly moves them. Evaluation and checkpoints are off: they are not training.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from bench_timing import Ratio, table
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from marl.learning.trainer import Trainer
from marl.policies import NetworkPolicy
from marl.scenario import load_scenario
from marl.store import RunDirectory

PARTS = ("forward", "backward", "optimizer")


class Stopwatch:
    """Seconds spent in each part; a part inside another is counted once, in the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._depth = 0
        self._start = 0.0

    def enter(self, *_: Any) -> None:
        """A timed call begins."""
        if self._depth == 0:
            self._start = time.perf_counter()
        self._depth += 1

    def leave(self, part: str) -> None:
        """A timed call of `part` ends."""
        self._depth -= 1
        if self._depth == 0:
            self.seconds[part] += time.perf_counter() - self._start

    def leaver(self, part: str) -> Callable[..., None]:
        """`leave` as a hook."""
        return lambda *_: self.leave(part)


@contextmanager
def watched(trainer: Trainer) -> Iterator[Stopwatch]:
    """Time every forward, backward and optimizer step of `trainer` while the body runs."""
    watch = Stopwatch()
    modules: list[torch.nn.Module] = []
    for actor in trainer.algorithm.actors().values():
        network = actor.policy.network if isinstance(actor.policy, NetworkPolicy) else actor.policy.model.network
        whole = isinstance(actor.policy, NetworkPolicy)
        modules += [network] if whole else [network.base_model, network.get_output_embeddings()]
    critic = trainer.algorithm.learner.critic
    if critic is not None:
        modules += [part for part in (critic.messages, critic.vector, critic.trunk, critic.head) if part is not None]
    handles: list[Any] = []
    for module in modules:
        handles.append(module.register_forward_pre_hook(watch.enter))
        handles.append(module.register_forward_hook(watch.leaver("forward")))
    handles.append(register_optimizer_step_pre_hook(watch.enter))
    handles.append(register_optimizer_step_post_hook(watch.leaver("optimizer")))
    backward = torch.Tensor.backward

    def timed_backward(self: torch.Tensor, *arguments: Any, **options: Any) -> None:
        watch.enter()
        backward(self, *arguments, **options)
        watch.leave("backward")

    torch.Tensor.backward = timed_backward  # type: ignore[method-assign]
    try:
        yield watch
    finally:
        torch.Tensor.backward = backward  # type: ignore[method-assign]
        for handle in handles:
            handle.remove()


def shares_of(name: str, iterations: int, seed: int) -> dict[str, float]:
    """Shares of wall time over `iterations` after one of warm-up, seconds and turns a second."""
    never = iterations + 2
    settings = {"iterations": never, "evaluate_every": never, "checkpoint_every": never}
    scenario = load_scenario(name, [f"seed={seed}", *(f"training.{key}={value}" for key, value in settings.items())])
    with tempfile.TemporaryDirectory() as folder:
        RunDirectory.create(folder, scenario)
        with Trainer(scenario, folder) as trainer:
            trainer.iterate()
            turns = trainer.algorithm.turns
            with watched(trainer) as watch:
                start = time.perf_counter()
                for _ in range(iterations):
                    trainer.iterate()
                wall = time.perf_counter() - start
            shares = {part: watch.seconds[part] / wall for part in PARTS}
            turns = trainer.algorithm.turns - turns
    return {**shares, "outside": 1.0 - sum(shares.values()), "seconds": wall, "turns_per_second": turns / wall}


def measure(name: str, iterations: int, repeats: int) -> list[dict[str, Any]]:
    """Train `repeats` times, and print the table."""
    runs = [shares_of(name, iterations, seed) for seed in range(repeats)]
    ratios = {}
    for key in (*PARTS, "outside"):
        values = [run[key] for run in runs]
        ratios[key] = Ratio(statistics.median(values), min(values), max(values))
    lines = [[key, str(found)] for key, found in ratios.items()]
    title = f"share of wall time, {name}: {repeats} runs of {iterations} iterations"
    table(title, ["part", "median [lowest, highest]"], lines)
    return [{"scenario": name, "shares": ratios, "runs": runs}]
