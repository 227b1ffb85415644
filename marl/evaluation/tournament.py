"""The tournament: every combination of strategies on every seat, played on the same episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np

from marl.errors import EnvError, ScenarioError
from marl.types import Episode

MOST_PROFILES = 256

Profile = tuple[int, ...]


def play_tournament(
    play: Callable[[Mapping[str, Any], Sequence[int]], list[Episode]],
    strategies: Mapping[str, Mapping[str, Any]],
    *,
    episodes: int,
    sample: int | None = None,
    rng: np.random.Generator | None = None,
    on_profile: Callable[[int, int], None] | None = None,
) -> dict[Profile, np.ndarray]:
    """Play every profile of `strategies` ({agent: {strategy name: policy}}) and return its payoff samples.

    `play` gets {agent: policy} and the episode numbers 0 .. `episodes` - 1, the same for each profile. The result maps
    a profile, one strategy index an agent in the order of `strategies`, to payoffs of shape [episodes, agents]; row i
    is the same episode in every profile, so that profiles can be compared in pairs. A number whose episode failed in
    any profile is left out of all. More than 256 profiles are refused (ScenarioError) unless `sample` says how many
    to play: then all profiles that differ from the first strategies in at most one seat, which the regret of that
    profile needs, and others drawn without repeats with `rng`. `on_profile(done, total)` is called after each.
    Raises EnvError when fewer than two episodes are left.
    """
    profiles = choose_profiles([len(table) for table in strategies.values()], sample=sample, rng=rng)
    played, failed = play_profiles(play, strategies, dict.fromkeys(profiles, range(episodes)), on_profile=on_profile)
    kept = [index for index in range(episodes) if index not in failed]
    if len(kept) < 2:
        raise EnvError(
            f"tournament: {len(kept)} of {episodes} episodes were completed in every profile and a standard error "
            f"needs 2; {next(iter(failed.values()), 'ask for more episodes')}"
        )
    return {profile: np.asarray([rows[index] for index in kept], dtype=np.float64) for profile, rows in played.items()}


def play_profiles(
    play: Callable[[Mapping[str, Any], Sequence[int]], list[Episode]],
    strategies: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[Profile, Sequence[int]],
    *,
    on_profile: Callable[[int, int], None] | None = None,
) -> tuple[dict[Profile, dict[int, list[float]]], dict[int, str]]:
    """Play the episodes `wanted` of each profile: payoffs by profile and episode number, and why numbers failed."""
    tables = {agent: list(table.values()) for agent, table in strategies.items()}
    played: dict[Profile, dict[int, list[float]]] = {}
    failed: dict[int, str] = {}
    for done, (profile, indices) in enumerate(wanted.items(), start=1):
        seating = {agent: tables[agent][index] for agent, index in zip(tables, profile, strict=True)}
        rows, faults = play_profile(play, seating, indices)
        played[profile] = {number: payoffs for number, payoffs in rows.items() if number not in faults}
        failed |= faults
        if on_profile is not None:
            on_profile(done, len(wanted))
    return played, failed


def check_completed(rows: Mapping[Profile, Mapping[int, Any]], failed: Mapping[int, str]) -> None:
    """Raise EnvError, with what went wrong first, where a profile has fewer than two completed episodes."""
    for profile, own in rows.items():
        if len(own) < 2:
            raise EnvError(
                f"tournament: {len(own)} episodes of profile {profile} were completed and a standard error needs 2; "
                f"{next(iter(failed.values()), 'ask for more episodes')}"
            )


def play_profile(
    play: Callable[[Mapping[str, Any], Sequence[int]], list[Episode]],
    seating: Mapping[str, Any],
    indices: Sequence[int],
) -> tuple[dict[int, list[float]], dict[int, str]]:
    """Each agent's payoff in the order of `seating`, by the episode's number, and why episodes failed, by theirs."""
    records = play(seating, indices)
    failed = {episode.index: str(episode.error) for episode in records if episode.outcome == "failed"}
    return {episode.index: [episode.returns[agent] for agent in seating] for episode in records}, failed


def choose_profiles(
    sizes: Sequence[int], *, sample: int | None = None, rng: np.random.Generator | None = None
) -> list[Profile]:
    """All profiles of seats with `sizes` strategies, or `sample` of them, in lexicographic order."""
    total = prod(sizes)
    if not sizes or total == 0:
        raise ScenarioError(f"a tournament needs at least one strategy on every seat; the seats have {list(sizes)}")
    if sample is None and total > MOST_PROFILES:
        raise ScenarioError(
            f"analysis: {len(sizes)} seats with {list(sizes)} strategies make {total} profiles, and at most "
            f"{MOST_PROFILES} are played; list fewer `analysis.strategies`, or ask play_tournament for a `sample`"
        )
    if sample is None or sample >= total:
        return list(product(*map(range, sizes)))
    learned = (0,) * len(sizes)
    needed = {learned} | {
        (*learned[:seat], index, *learned[seat + 1 :]) for seat, size in enumerate(sizes) for index in range(size)
    }
    if sample < len(needed):
        raise ScenarioError(
            f"a sample of {sample} profiles is too small: the first one and its one-seat deviations are {len(needed)}"
        )
    if rng is None:
        raise ScenarioError(
            "a sample of profiles is drawn at random; pass `rng`, for example marl.seeding.stream(seed, ...)"
        )
    while len(needed) < sample:
        needed.add(tuple(int(rng.integers(size)) for size in sizes))
    return sorted(needed)
