"""The loop of PSRO over any oracle: solve the game of the populations, answer its solution, measure, stop or go on.

An agent's strategies are the numbered members of its population. Iteration t begins with t + 1 members in each; one
that was killed is done again, and finds whatever it had finished before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

import numpy as np

from marl.errors import EnvError
from marl.evaluation.tournament import Profile
from marl.games import EmpiricalGame
from marl.games.meta_solver import MetaStrategy, meta_strategy
from marl.games.regret import ProfileRegret, joint_regret
from marl.psro.record import Record
from marl.seeding import stream
from marl.settings import PSROSettings

Row = dict[str, Any]
Payoffs = Mapping[int, Sequence[float]]
OnProgress = Callable[[Row], None]


class Oracle(Protocol):
    """Whoever finds best responses and plays profiles. `populations` names the population of each agent, in order."""

    populations: Mapping[str, str]

    def members(self, population: str) -> int:
        """How many members the population has; 1 before any best response."""
        ...

    def respond(self, population: str, meta: MetaStrategy) -> None:
        """Add a member that is to gain as much as it can while all others play `meta`."""
        ...

    def play(self, profile: Profile, episodes: Sequence[int]) -> tuple[Payoffs, Mapping[int, str]]:
        """Each agent's payoff by the episode's number, and why episodes failed, by theirs."""
        ...

    def exact(self, meta: MetaStrategy) -> dict[str, float]:
        """What is known without sampling of the meta-strategy, as metrics; nothing where the game is too large."""
        ...


def grow(
    oracle: Oracle,
    record: Record,
    settings: PSROSettings,
    *,
    confidence: float,
    seed: int,
    on_progress: OnProgress = lambda row: None,
) -> list[Row]:
    """Run PSRO from where `record` is to its end; all rows of it, the last one with the `reason` for the end.

    A row is an iteration's meta-strategy as measured: by the gains of all members known after its best responses, with
    intervals that hold for all agents and members at once. It ends where the upper bound of the largest gain is at most
    `settings.epsilon`, or with a row for the meta-strategy after the last iteration, which has no best responses.
    Raises EnvError where fewer than two episodes of a profile are completed.
    """
    rows, agents = record.rows(), list(oracle.populations)
    while not rows or "reason" not in rows[-1]:
        start, iteration = time.perf_counter(), len(rows)
        say = _teller(on_progress, iteration, settings.iterations)
        sizes = [iteration + 1] * len(agents)
        _fill(oracle, record, product(*map(range, sizes)), settings.episodes, say)
        meta = _solved(oracle, record, sizes, settings)
        record.keep_meta(iteration, meta)
        row: Row = {"iteration": iteration, **_described(meta, agents), **oracle.exact(meta)}
        if iteration == settings.iterations:
            row["reason"] = f"iterations: all {iteration} are done"
        else:
            row |= _answered(oracle, record, meta, settings, confidence, seed, iteration, say)
        row |= {
            "psro/profiles": len(record.samples),
            "psro/episodes": sum(map(len, record.samples.values())),
            "time_s": (rows[-1]["time_s"] if rows else 0.0) + time.perf_counter() - start,
        }
        record.store.append_metrics(row)
        rows.append(row)
        on_progress(row | {"total": settings.iterations})
    return rows


def _teller(on_progress: OnProgress, iteration: int, total: int) -> Callable[[str], None]:
    return lambda note: on_progress({"done": iteration, "total": total, "note": note})


def _fill(
    oracle: Oracle, record: Record, profiles: Iterator[Profile], episodes: int, say: Callable[[str], None]
) -> None:
    """Play those of `profiles` that have never been played."""
    missing = [profile for profile in profiles if profile not in record.samples]
    for number, profile in enumerate(missing, start=1):
        say(f"profile {number} of {len(missing)}")
        payoffs, failed = oracle.play(profile, range(episodes))
        whole = {episode: own for episode, own in payoffs.items() if episode not in failed}
        if len(whole) < 2:
            raise EnvError(
                f"PSRO: {len(whole)} of {episodes} episodes of profile {profile} were completed and an interval needs "
                f"2; {next(iter(failed.values()), 'ask for more with psro.episodes')}"
            )
        record.keep_samples(profile, whole)


def _solved(oracle: Oracle, record: Record, sizes: Sequence[int], settings: PSROSettings) -> MetaStrategy:
    names = list(oracle.populations.values())
    roles = [names.index(name) for name in names]
    return meta_strategy(record.game(sizes).to_normal_form(), settings.meta_solver, roles=roles)


def _answered(
    oracle: Oracle,
    record: Record,
    meta: MetaStrategy,
    settings: PSROSettings,
    confidence: float,
    seed: int,
    iteration: int,
    say: Callable[[str], None],
) -> Row:
    """Best responses to `meta`, and what is gained by them and by all other members."""
    newest = iteration + 1
    for population in dict.fromkeys(oracle.populations.values()):
        if oracle.members(population) <= newest:
            say(f"best response {newest} of {population}")
            oracle.respond(population, meta)
    sizes = [newest + 1] * meta.joint.ndim
    alone = (profile for profile in product(*map(range, sizes)) if profile.count(newest) <= 1)
    _fill(oracle, record, alone, settings.episodes, say)
    joint = np.pad(meta.joint, [(0, 1)] * meta.joint.ndim)
    rng = stream(seed, "psro", "gains", iteration)
    game = record.game(sizes)
    regret = joint_regret(game, joint, confidence=confidence, rng=rng)
    bound = max(regret.epsilon, unseen_gain(game, confidence))
    row = _measured(regret, list(oracle.populations)) | {"psro/epsilon": bound}
    if bound <= settings.epsilon:
        row["reason"] = (
            f"confidence bound: no member, the newest best responses among them, gains more than {bound:.4g} "
            f"({confidence:.0%} confidence), and psro.epsilon is {settings.epsilon:g}"
        )
    return row


def unseen_gain(game: EmpiricalGame, confidence: float) -> float:
    """What outcomes that no episode showed may be worth, as far as payoffs range: the rule of three.

    Two members that did the same in all n episodes differ by no variance at all, and still may do differently in a
    share 1 - (1 - confidence)^(1/n) of them (Hanley & Lippman-Hand 1983, "If nothing goes wrong, is everything all
    right?"). No bound on a gain is smaller than that share of the largest range of an agent's payoffs.
    """
    payoffs = np.concatenate(list(game.samples.values()))
    fewest = min(map(len, game.samples.values()))
    return float(np.ptp(payoffs, axis=0).max() * (1 - (1 - confidence) ** (1 / fewest)))


def _measured(regret: ProfileRegret, agents: Sequence[str]) -> Row:
    mean, low, high = regret.nash_conv
    row: Row = {"psro/gains": mean, "psro/gains_low": low, "psro/gains_high": high}
    for agent, own in zip(agents, regret.players, strict=True):
        row[f"psro/gain/{agent}"] = own.mean
        row[f"psro/best_member/{agent}"] = own.best_response
    return row


def _described(meta: MetaStrategy, agents: Sequence[str]) -> Row:
    """How many members each agent's meta-strategy mixes."""
    return {f"psro/support/{agent}": int((meta.marginal(i) > 0).sum()) for i, agent in enumerate(agents)}
