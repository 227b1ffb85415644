"""(d) Two env runners against none: turns a second of wall time, where the model dominates.

`scout_hunt` played by a random Llama as wide as MODEL says, with nano's tokenizer, so that nearly all of the time is
its forward pass. Every process has one torch thread; two runners need two free cores, or the figure means nothing: where
other work runs, RAY_worker_niceness=0 keeps Ray's workers from standing behind it. Of EPISODES a runner gets as many as
one process steps at a time. Timed are sampling alone (what runners share) and the whole iteration (learning is one
process either way). Ray's start and the first iteration are left out. First the episodes of both are compared: they
must be the same.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from bench_timing import Ratio, llama, parameters, table
from transformers import LlamaForCausalLM

from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.config import MultiAgentConfig
from marl.learning.task import Task
from marl.models import LanguageModel
from marl.scenario import load_scenario

LEAST = 1.7
MODEL = {"width": 384, "layers": 6, "heads": 6, "inner": 1024}
EPISODES = 128
SETTINGS = [f"training.episodes={EPISODES}", "training.epochs=1", "training.minibatches=1"]


def save_model(folder: Path) -> int:
    """Write a random model with nano's tokenizer; the number of its parameters."""
    words = LanguageModel.load("nano").tokenizer
    config = llama(**MODEL).config
    config.vocab_size, config.eos_token_id, config.pad_token_id = len(words), words.eos_token_id, words.pad_token_id
    torch.manual_seed(0)
    network = LlamaForCausalLM(config)
    network.save_pretrained(folder)
    words.save_pretrained(folder)
    return parameters(network)


def algorithm(folder: Path, runners: int) -> MultiAgentAlgorithm:
    """The algorithm with so many env runners."""
    model = f"policies.hunter.model={folder}"
    return MultiAgentAlgorithm(
        MultiAgentConfig.for_scenario(
            load_scenario("scout_hunt", [model, f"training.env_runners={runners}", *SETTINGS])
        )
    )


def timed(trained: MultiAgentAlgorithm, number: int) -> dict[str, float]:
    """Turns a second of sampling alone and of an iteration."""
    start = time.perf_counter()
    episodes = trained.play(Task(tuple(range(number * EPISODES, (number + 1) * EPISODES)), 11))
    sampling = sum(len(episode.turns) for episode in episodes) / (time.perf_counter() - start)
    before, start = trained.turns, time.perf_counter()
    trained.training_step()
    return {"sampling": sampling, "iteration": (trained.turns - before) / (time.perf_counter() - start)}


def measure(rounds: int) -> list[dict[str, Any]]:
    """Check, time in turns, and print the table."""
    with tempfile.TemporaryDirectory() as name:
        size = save_model(Path(name))
        sides = {runners: algorithm(Path(name), runners) for runners in (0, 2)}
        task = Task(tuple(range(64)), 12)
        told = [
            [(turn.agent, turn.token_ids, turn.choice) for episode in trained.play(task) for turn in episode.turns]
            for trained in sides.values()
        ]
        if told[0] != told[1]:
            raise SystemExit("two env runners play other episodes than none; nothing was timed")
        rows: dict[int, list[dict[str, float]]] = {runners: [] for runners in sides}
        for number in range(rounds + 1):
            for runners in sorted(sides, reverse=bool(number % 2)):
                row = timed(sides[runners], number)
                if number:
                    rows[runners].append(row)
        for trained in sides.values():
            trained.stop()
    lines, ratios = [], {}
    for what in ("sampling", "iteration"):
        values = [two[what] / none[what] for two, none in zip(rows[2], rows[0], strict=True)]
        ratios[what] = Ratio(statistics.median(values), min(values), max(values))
        rates = [f"{statistics.median(row[what] for row in rows[runners]):.1f}" for runners in (0, 2)]
        lines.append([what, *rates, f"{ratios[what]}{f' (>= {LEAST})' if what == 'sampling' else ''}"])
    header = ["turns a second", "no env runner", "two", "ratio"]
    table(f"(d) env runners, Llama of {size / 1e6:.1f} M parameters, {rounds} rounds", header, lines)
    return [{"parameters": size, "ratios": ratios, "bar": LEAST, "turns_per_second": rows}]
