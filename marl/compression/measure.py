"""What compression costs: the trained policy and the smaller one on the same episodes, decisions and clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from marl.compression.lessons import lessons_of
from marl.errors import EnvError
from marl.evaluation import paired_difference
from marl.models import Ids, LanguageModel, Row
from marl.policies import LanguageModelPolicy, Policy
from marl.rollout import play
from marl.seeding import seed_of, stream
from marl.settings import Scenario
from marl.types import Episode

REPEATS = 7
TIMED = 64
"""Distinct decisions in one timed batch, at most."""

SECONDS = 0.15
"""CPU time that one repeat takes at least."""


def compare(
    scenario: Scenario, policies: Mapping[str, Policy], name: str, folder: Path, source: Path
) -> dict[str, Any]:
    """The measured part of compression.json: policy `name` of `policies`, saved in `source`, and the one in `folder`.

    Both play the scenario's `evaluation.episodes` on the same seeds, which no training or evaluation used, with the
    other seats as trained. Agreement and speed are taken on the decisions that the trained policy met there.
    Raises EnvError when fewer than two episodes were completed by both.
    """
    from marl.models.distill import agreement

    trained = policies[name]
    assert isinstance(trained, LanguageModelPolicy)  # `trained_policy` has seen to it
    small = trained.with_model(LanguageModel.load(str(folder), precision=trained.model.precision))
    seed = seed_of(scenario.seed, "compression", "evaluation")
    indices = range(scenario.evaluation.episodes)
    episodes = play(scenario, policies, indices, seed=seed)
    returns = _paired_returns(episodes, play(scenario, {**policies, name: small}, indices, seed=seed))
    confidence = scenario.evaluation.confidence
    difference = paired_difference(
        returns[:, 1], returns[:, 0], confidence=confidence, rng=stream(scenario.seed, "bootstrap", "compression")
    )
    rows = lessons_of(episodes, name)
    near = agreement(trained.model, small.model, rows, temperature=trained.temperature)
    budget, temperature = scenario.channel.budget, trained.temperature
    jobs = [timed_job(model, rows, budget, temperature) for model in (trained.model, small.model)]
    speed = speed_ratio(*jobs, decisions=len(timed_rows(rows)))
    card: dict[str, Any] = {"trained": _size(source, trained.model), "compressed": _size(folder, small.model)}
    for side, mean in zip(card, returns.mean(axis=0), strict=True):
        card[side] |= {"decisions_per_cpu_second": speed[side], "mean_return": float(mean)}
    return {
        **card,
        "speed_ratio": speed["ratio"],
        "return_difference": difference.to_json(),
        "confidence": confidence,
        "agreement": {"same": near.same, "kl": near.kl, "decisions": near.decisions},
    }


def _paired_returns(one: Sequence[Episode], two: Sequence[Episode]) -> np.ndarray:
    """Mean payoff per agent, [episodes that both completed, 2]."""
    pairs = [
        (first.mean_return, second.mean_return)
        for first, second in zip(one, two, strict=True)
        if "failed" not in (first.outcome, second.outcome)
    ]
    if len(pairs) < 2:
        errors = [episode.error for episode in [*one, *two] if episode.error]
        raise EnvError(
            f"{len(pairs)} of {len(one)} episodes were completed by both policies and an interval needs 2; "
            f"{errors[0] if errors else 'set evaluation.episodes'}"
        )
    return np.array(pairs)


def _size(folder: Path, model: LanguageModel) -> dict[str, int]:
    from marl.models.quantize import count_weights

    return {
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        "weights_bytes": sum(file.stat().st_size for file in folder.glob("*.safetensors")),
        "parameters": count_weights(model.network),
    }


def timed_rows(rows: Sequence[Row]) -> list[Row]:
    """The first TIMED decisions whose prompts differ."""
    first: dict[Ids, Row] = {}
    for row in rows:
        first.setdefault(row.prompt_ids, row)
    return list(first.values())[:TIMED]


def timed_job(model: LanguageModel, rows: Sequence[Row], budget: int, temperature: float) -> Callable[[], object]:
    """A function that decides `timed_rows(rows)` once, as a policy would: one call of `choose`, one of `say`."""
    batch = timed_rows(rows)
    chosen = [row for row in batch if row.option_ids]
    said = [row for row in batch if not row.option_ids]

    def job() -> object:
        prompts = [row.prompt_ids for row in said]
        rngs = [np.random.default_rng(number) for number in range(len(said))]
        return (
            model.choose(
                [row.prompt_ids for row in chosen], [row.option_ids for row in chosen], temperature=temperature
            ),
            model.say(prompts, [budget] * len(said), rngs, temperature=temperature),
        )

    return job


def speed_ratio(
    trained: Callable[[], object], compressed: Callable[[], object], *, decisions: int, repeats: int = REPEATS
) -> dict[str, Any]:
    """Decisions a CPU second of two jobs of `decisions` each, and the second's speed in units of the first's.

    The jobs alternate, so that both see the machine's moods alike; `ratio` holds the median over `repeats` pairs and
    the lowest and highest.
    """
    start = time.process_time()
    trained(), compressed()  # warm
    times = max(1, round(2 * SECONDS / max(1e-6, time.process_time() - start)))
    seconds = np.array([[_cpu_seconds(job, times) for job in (trained, compressed)] for _ in range(repeats)])
    ratios = seconds[:, 0] / seconds[:, 1]
    rates = decisions * times / np.median(seconds, axis=0)
    ratio = {"median": np.median(ratios), "low": ratios.min(), "high": ratios.max()}
    return {
        "trained": float(rates[0]),
        "compressed": float(rates[1]),
        "ratio": {**{key: float(value) for key, value in ratio.items()}, "repeats": repeats, "decisions": decisions},
    }


def _cpu_seconds(job: Callable[[], object], times: int) -> float:
    start = time.process_time()
    for _ in range(times):
        job()
    return time.process_time() - start
