"""The loop of PSRO over any oracle: solve the game of the populations, answer its solution, measure, stop or go on.

An agent's strategies are the numbered members of its population. Iteration t begins with t + 1 members in each; one
that was killed is done again, and finds whatever it had finished before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

from marl.errors import EnvError
from marl.evaluation.tournament import Profile
from marl.games.meta_solver import MetaStrategy, meta_strategy
from marl.psro.incumbent import Measured, incumbent, measured
from marl.psro.record import Record
from marl.settings import PSROSettings

Row = dict[str, Any]
Payoffs = Mapping[int, Sequence[float]]
OnProgress = Callable[[Row], None]
EXACT = "exact/nash_conv"
EXACT_INCUMBENT = "exact/incumbent_nash_conv"


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
    intervals that hold for all agents and members at once. Beside it stands the incumbent, the best one so far, in
    which PSRO ends: where the upper bound of the largest gain over it is at most `settings.epsilon`, or with a row for
    the meta-strategy after the last iteration, which has no best responses and does not take the incumbent's place.
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
        answered = iteration < settings.iterations
        if answered:
            _answer(oracle, record, meta, settings, iteration + 1, say)
        found = measured(record, iteration + 1 + answered, confidence=confidence, seed=seed)
        best = incumbent(found)
        if answered:
            row |= found[-1].metrics(agents, "psro/")
        row |= {"psro/incumbent": best.iteration, **best.metrics(agents, "psro/incumbent_")}
        if EXACT in row:
            row[EXACT_INCUMBENT] = [*rows, row][best.iteration][EXACT]
        row |= _end(best, answered, settings, confidence)
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


def _answer(
    oracle: Oracle, record: Record, meta: MetaStrategy, settings: PSROSettings, number: int, say: Callable[[str], None]
) -> None:
    """Best responses to `meta`, members `number` of all populations, and the profiles in which one of them plays."""
    for population in dict.fromkeys(oracle.populations.values()):
        if oracle.members(population) <= number:
            say(f"best response {number} of {population}")
            oracle.respond(population, meta)
    profiles = product(range(number + 1), repeat=meta.joint.ndim)
    _fill(oracle, record, (one for one in profiles if one.count(number) <= 1), settings.episodes, say)


def _end(best: Measured, answered: bool, settings: PSROSettings, confidence: float) -> Row:
    """The reason to end, if there is one."""
    if not answered:
        return {"reason": f"iterations: all {settings.iterations} are done"}
    if best.epsilon > settings.epsilon:
        return {}
    return {
        "reason": f"confidence bound: no member, the newest best responses among them, gains more than "
        f"{best.epsilon:.4g} ({100 * confidence:g}% confidence), and psro.epsilon is {settings.epsilon:g}"
    }


def _described(meta: MetaStrategy, agents: Sequence[str]) -> Row:
    """How many members each agent's meta-strategy mixes."""
    return {f"psro/support/{agent}": int((meta.marginal(i) > 0).sum()) for i, agent in enumerate(agents)}
