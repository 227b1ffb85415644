"""(c) Reward against CPU seconds, from the same nano checkpoint, against TRL's GRPO and CoMLRL's MAGRPO.

The task, `doors`: each agent reads a sign of its own (one of four colors) and answers with a direction; the reward, the
same for all, is the share of agents that took the right door. A color's door is fixed and must be learned; uniform
answers earn 0.25. TRL has no agents, so it plays with one; CoMLRL with two. Every side runs in a child process of its
own on one torch thread, two at a time; its clock (CPU time of the process) starts when model, data and trainer are
ready, and reads the mean reward of its latest WINDOW sampled answers: all sides are measured by what they sample in
training. There are two targets: a low one that all sides reach, and a high one. A run ends at the high one, or after
LONGEST CPU seconds, with which a side that missed a target counts (the ratio is then a lower bound).

The same on all sides: the checkpoint, prompts token by token, 64 episodes an update round, Adam, temperature 1, no
reference model. What differs:
- Ours samples among the legal answers (`choose`), and its distribution is over them. The rivals sample any token; an
  answer that is no door earns nothing. (nano, asked in this form, nearly always names a legal answer.)
- Ours is timed as `ippo` (critic, PPO) and as `magrpo` (no critic; groups of 4 with one sign), 3 epochs of 2
  minibatches, learning rate 3e-4, the package's defaults. TRL: groups of 4, the same 3 iterations of 2 minibatches,
  beta = 0, no gradient checkpointing, constant learning rate, one token a completion. CoMLRL: groups of 4, 16 groups an
  update, one update a round (it has no other), two tokens a completion because it never trains the last one, top-k and
  top-p off, its own advantage normalization. Of the learning rates in RATES each rival has the one with which it was
  fastest here; ours has its default.
- Ours shares one network among the agents; CoMLRL gives each its own copy.
- Ours writes metrics, TensorBoard and records; the rivals' logging, saving and evaluation are off.
trl and comlrl are for this benchmark only: pip install "parley-marl[bench]" -c constraints.txt.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from bench_timing import Ratio, table
from gymnasium import spaces
from pettingzoo import ParallelEnv

COLORS, DOORS = ("red", "green", "blue", "black"), ("north", "east", "south", "west")
RIGHT = (2, 0, 3, 1)
LOW, HIGH = 0.35, 0.9
WINDOW, EPISODES, GROUP, LONGEST = 192, 64, 4, 30.0
LEAST = 3.0
RATES = {"TRL GRPO": 1e-3, "CoMLRL MAGRPO": 3e-4}


class Doors(ParallelEnv):
    """One step: `agents` many agents, a sign each, a door each."""

    metadata = {"name": "doors"}

    def __init__(self, agents: int = 1) -> None:
        self.possible_agents = [f"walker_{number}" for number in range(agents)]
        self.agents: list[str] = []

    def observation_space(self, agent: str) -> spaces.Space:
        """The sign, one-hot."""
        return spaces.Box(0.0, 1.0, (len(COLORS),), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        """The doors."""
        return spaces.Discrete(len(DOORS))

    def reset(self, seed: int | None = None, options: Any = None) -> tuple[dict, dict]:
        """Draw the signs."""
        self.agents = list(self.possible_agents)
        self.signs = np.random.default_rng(seed).integers(len(COLORS), size=len(self.agents))
        return self._observations(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> tuple[dict, dict, dict, dict, dict]:
        """Pay the share of agents that took the right door."""
        seated, self.agents = self.agents, []
        hits = [actions[agent] == RIGHT[sign] for agent, sign in zip(seated, self.signs, strict=True)]
        reward = float(np.mean(hits))
        done, no = dict.fromkeys(seated, True), dict.fromkeys(seated, False)
        return self._observations(), dict.fromkeys(seated, reward), done, no, {agent: {} for agent in seated}

    def state(self) -> np.ndarray:
        """All signs."""
        return np.eye(len(COLORS), dtype=np.float32)[self.signs].ravel()

    def _observations(self) -> dict[str, np.ndarray]:
        rows = np.eye(len(COLORS), dtype=np.float32)[self.signs]
        return dict(zip(self.possible_agents, rows, strict=True))

    def rules(self, agent: str) -> str:
        """The game for one agent."""
        return f"You are {agent}. The sign tells which door is right. Doors: {', '.join(DOORS)}. The right door: 1."

    def describe(self, agent: str, observation: np.ndarray) -> str:
        """The sign."""
        return f"You see: the sign is {COLORS[int(np.argmax(observation))]}."

    def action_names(self, agent: str) -> list[str]:
        """The doors."""
        return list(DOORS)

    def describe_state(self) -> str:
        """The signs."""
        return "signs: " + ", ".join(COLORS[sign] for sign in self.signs)


class Curve:
    """Rewards as they are sampled; `reached`: the CPU time at which the mean of the latest WINDOW came to a target."""

    def __init__(self) -> None:
        self.rewards: list[float] = []
        self.points: list[tuple[float, float]] = []
        self.reached: dict[float, float] = {}
        self.start = time.process_time()

    def add(self, rewards: Sequence[float]) -> bool:
        """Note some rewards; whether to stop now."""
        self.rewards += rewards
        seconds, mean = time.process_time() - self.start, float(np.mean(self.rewards[-WINDOW:]))
        self.points.append((seconds, mean))
        for target in (LOW, HIGH):
            if len(self.rewards) >= WINDOW and mean >= target:
                self.reached.setdefault(target, seconds)
        return HIGH in self.reached or seconds > LONGEST


class Done(Exception):
    """Breaks a rival's training loop off at the target."""


def ours(algorithm: str, agents: int, seed: int) -> Curve:
    """Our trainer."""
    from marl.learning.trainer import Trainer
    from marl.scenario import load_scenario
    from marl.store import RunDirectory

    scenario = load_scenario("maze", doors_settings(algorithm, agents, seed))
    with tempfile.TemporaryDirectory() as folder:
        RunDirectory.create(folder, scenario)
        with Trainer(scenario, folder) as trainer:
            curve = Curve()
            while not curve.add([trainer.iterate()["charts/episodic_return"]] * EPISODES):
                pass
    return curve


def doors_settings(algorithm: str, agents: int, seed: int) -> list[str]:
    """What turns a scenario into doors."""
    seats = ", ".join(f"walker_{number}: walker" for number in range(agents))
    settings = {"iterations": 1000, "evaluate_every": 2000, "checkpoint_every": 2000}
    settings |= {"algorithm": algorithm, "episodes": EPISODES, "group": GROUP}
    env = f"env={{entry: 'bench_training_rivals:Doors', kwargs: {{agents: {agents}}}}}"
    training = [f"training.{key}={value}" for key, value in settings.items()]
    return [f"seed={seed}", env, f"seats={{{seats}}}", "analysis={}", *training]


def prompts(agents: int, rng: random.Random, count: int) -> list[dict[str, Any]]:
    """So many situations: each agent's prompt, as ours makes it, and each agent's right answer."""
    from marl.text import act_prompt

    env, found = Doors(agents), []
    for _ in range(count):
        signs = [rng.randrange(len(COLORS)) for _ in range(agents)]
        rows = np.eye(len(COLORS), dtype=np.float32)[signs]
        texts = [
            act_prompt(env.rules(agent), env.describe(agent, row), [], DOORS)
            for agent, row in zip(env.possible_agents, rows, strict=True)
        ]
        found.append({"prompt": texts[0], "prompts": texts, "answers": [DOORS[RIGHT[sign]] for sign in signs]})
    return found


def nano() -> tuple[Any, Any]:
    """The checkpoint and its tokenizer, fit for `generate`."""
    from marl.models import LanguageModel

    model = LanguageModel.load("nano")
    return model.network, model.tokenizer


def named(text: str) -> str:
    """The first word of an answer."""
    return (text.split() or [""])[0]


def trl_grpo(agents: int, seed: int, rate: float) -> Curve:
    """TRL's GRPOTrainer, one agent."""
    GRPOConfig, GRPOTrainer = needed("trl", "GRPOConfig", "GRPOTrainer")
    from datasets import Dataset
    from transformers import PrinterCallback

    network, tokenizer = nano()
    rows = prompts(agents, random.Random(seed), 20000)
    data = Dataset.from_list([{"prompt": row["prompt"], "answer": row["answers"][0]} for row in rows])
    curve: list[Curve] = []

    def reward(completions: list[str], answer: list[str], **_: Any) -> list[float]:
        gained = [float(named(text) == right) for text, right in zip(completions, answer, strict=True)]
        if curve[0].add(gained):
            raise Done
        return gained

    with tempfile.TemporaryDirectory() as folder:
        arguments = GRPOConfig(
            output_dir=folder,
            use_cpu=True,
            bf16=False,
            beta=0.0,
            report_to=[],
            seed=seed,
            learning_rate=rate,
            lr_scheduler_type="constant",
            per_device_train_batch_size=EPISODES // 2,
            steps_per_generation=2,
            num_generations=GROUP,
            num_iterations=3,
            max_completion_length=1,
            temperature=1.0,
            gradient_checkpointing=False,
            max_steps=100_000,
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = GRPOTrainer(
            model=network, reward_funcs=reward, args=arguments, train_dataset=data, processing_class=tokenizer
        )
        trainer.remove_callback(PrinterCallback)
        curve.append(Curve())
        with contextlib.suppress(Done):
            trainer.train()
    return curve[0]


def comlrl_magrpo(agents: int, seed: int, rate: float) -> Curve:
    """CoMLRL's MAGRPOTrainer."""
    import os

    os.environ.setdefault("WANDB_MODE", "disabled")
    MAGRPOConfig, MAGRPOTrainer = needed("comlrl.trainers.reinforce", "MAGRPOConfig", "MAGRPOTrainer")
    from datasets import Dataset

    networks, tokenizers = zip(*(nano() for _ in range(agents)), strict=True)
    random.seed(seed)
    data = Dataset.from_list(prompts(agents, random.Random(seed), 20000))
    curve: list[Curve] = []

    def reward(*completions: list[str], batch_items: list[dict[str, Any]]) -> list[float]:
        answers = batch_items[0]["answers"]
        gained = [
            float(np.mean([named(text) == right for text, right in zip(texts, answers, strict=True)]))
            for texts in zip(*completions, strict=True)
        ]
        if curve[0].add(gained):
            raise Done
        return gained

    arguments = MAGRPOConfig(
        num_agents=agents,
        num_train_epochs=1,
        agent_learning_rate=rate,
        num_generations=GROUP,
        max_new_tokens=2,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        num_turns=1,
        rollout_buffer_size=EPISODES // GROUP,
        train_batch_size=EPISODES // GROUP,
        eval_interval=0,
        agent_devices="cpu",
    )
    formatters = [lambda item, place=place: item["prompts"][place] for place in range(agents)]
    trainer = MAGRPOTrainer(
        agents=list(networks),
        num_agents=agents,
        tokenizer=list(tokenizers),
        train_dataset=data,
        reward_func=reward,
        formatters=formatters,
        args=arguments,
    )
    trainer.verbose = False
    curve.append(Curve())
    with contextlib.suppress(Done):
        trainer.train()
    return curve[0]


def needed(module: str, *names: str) -> list[Any]:
    """Attributes of a module that this benchmark alone needs."""
    from importlib import import_module

    try:
        found = import_module(module)
    except ImportError as error:
        raise SystemExit(
            f"part rivals compares with {module.split('.')[0]}, which is not installed ({error}); "
            'pip install "parley-marl[bench]" -c constraints.txt, or leave the part out with --only'
        ) from error
    return [getattr(found, name) for name in names]


RIVALS: dict[str, tuple[int, Callable[..., Curve]]] = {"TRL GRPO": (1, trl_grpo), "CoMLRL MAGRPO": (2, comlrl_magrpo)}


def run(side: str, agents: int, seed: int, rate: float | None) -> dict[str, Any]:
    """One side's curve, in the process that calls."""
    import torch
    from transformers.utils import logging

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    logging.set_verbosity_error()
    curve = ours(side, agents, seed) if rate is None else RIVALS[side][1](agents, seed, rate)
    return {"side": side, "agents": agents, "seed": seed, "rate": rate, "reached": curve.reached, "curve": curve.points}


def when(row: dict[str, Any], target: float) -> float:
    """CPU seconds to the target, or all that the side had."""
    return row["reached"].get(target, row["curve"][-1][0])


def over(theirs: Sequence[dict[str, Any]], mine: Sequence[dict[str, Any]], target: float) -> Ratio:
    """Their CPU time to the target over ours, seed by seed."""
    values = [when(a, target) / when(b, target) for a, b in zip(theirs, mine, strict=True)]
    return Ratio(statistics.median(values), min(values), max(values))


def seconds(rows: Sequence[dict[str, Any]], target: float) -> str:
    """Median and range of the CPU seconds to the target, and how many seeds reached it."""
    values = sorted(when(row, target) for row in rows)
    made = sum(target in row["reached"] for row in rows)
    return f"{statistics.median(values):.1f} [{values[0]:.1f}, {values[-1]:.1f}], {made} of {len(rows)}"


def measure(seeds: int) -> list[dict[str, Any]]:
    """Run every side on every seed, and print the table."""
    for name in RIVALS:
        needed(name.split()[0].lower())
    asked = [
        (side, agents, seed, rate)
        for rival, (agents, _) in RIVALS.items()
        for side, rate in (("ippo", None), ("magrpo", None), (rival, RATES[rival]))
        for seed in range(seeds)
    ]
    with ProcessPoolExecutor(2, get_context("spawn"), max_tasks_per_child=1) as children:
        results = list(children.map(run, *zip(*asked, strict=True)))
    lines, ratios = [], []
    for rival, (agents, _) in RIVALS.items():
        found = {
            side: [row for row in results if (row["side"], row["agents"]) == (side, agents)]
            for side in (rival, "ippo", "magrpo")
        }
        for target in (LOW, HIGH):
            lines.append([f"{rival}, agents: {agents}", target, seconds(found[rival], target), ""])
            for side in ("ippo", "magrpo"):
                times = over(found[rival], found[side], target)
                lines.append([f"  ours, {side}", target, seconds(found[side], target), f"{times} (>= {LEAST:g})"])
                ratios.append({"rival": rival, "ours": side, "target": target, "ratio": times, "bar": LEAST})
    header = ["side", "reward", "CPU s, seeds that got there", "rival's time over ours"]
    table(f"(c) doors from nano, {seeds} seeds", header, lines)
    return [{"ratios": ratios}, *results]
