"""The empirical game: payoffs known from played episodes only, with their uncertainty.

Source: Wellman 2006, "Methods for empirical game-theoretic analysis".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.intervals import without_dust
from marl.games.normal_form import MAX_PROFILES, RELATIVE_RESOLUTION, NormalFormGame, Profile, check_names

Samples = Mapping[tuple[int, ...], Any] | Mapping[tuple[int | str, ...], Any]
"""Payoffs [episodes, players] by profile, given as strategy indices or names."""

Weights = Mapping[Profile, np.ndarray]
"""K linear combinations of mean payoffs: for each profile that takes part, an array [K, players]."""


class EmpiricalGame:
    """A game estimated from samples.

    `samples` maps a profile (strategy names or indices, one per player) to an array [episodes, players] of what each
    player got. Profiles without samples are `missing`, and nothing is assumed about them. `seeds` maps the same
    profiles to the seed of each episode; episodes with one seed in two profiles are then compared as a pair, which
    narrows the intervals where the seed moves both. Raises SolverError for names or shapes that do not fit, payoffs
    that are not finite, and seeds that repeat in a profile.
    """

    def __init__(
        self,
        players: Sequence[str],
        strategies: Sequence[Sequence[str]],
        samples: Samples,
        seeds: Mapping[tuple[int | str, ...], Sequence[int]] | None = None,
    ) -> None:
        self.shape: tuple[int, ...] = tuple(len(own) for own in strategies)
        if not self.shape or 0 in self.shape or math.prod(self.shape) > MAX_PROFILES:
            raise SolverError(
                f"{self.shape} strategies per player: give 1 or more each, {MAX_PROFILES} profiles at most"
            )
        self.players, self.strategies = check_names(self.shape, players, strategies)
        self.samples: dict[Profile, np.ndarray] = {}
        for names, values in samples.items():
            self.samples[self.profile(names)] = self._checked(names, values)
        if not self.samples:
            raise SolverError("no profile has samples; play at least one")
        self.seeds = None if seeds is None else {self.profile(p): np.asarray(s) for p, s in seeds.items()}
        for profile, values in self.samples.items() if self.seeds is not None else ():
            own = self.seeds.get(profile) if self.seeds is not None else None
            if own is None or own.shape != (len(values),) or len(np.unique(own)) != len(own):
                raise SolverError(
                    f"profile {profile} needs {len(values)} different seeds, one per episode; given {own}"
                )

    @classmethod
    def from_samples(
        cls,
        strategies: Mapping[str, Sequence[str]],
        samples: Samples,
        *,
        paired: bool = True,
    ) -> EmpiricalGame:
        """The game of a tournament: `strategies` by player. `paired` says that row e has the same seed in all profiles.

        Pairing rows that share nothing does no harm, since only a covariance that is there is used; it needs equally
        many episodes in every profile (else SolverError).
        """
        seeds = None
        if paired:
            lengths = {len(values) for values in samples.values()}
            if len(lengths) > 1:
                raise SolverError(
                    f"paired profiles need equally many episodes, given {sorted(lengths)}; pass paired=False"
                )
            seeds = {profile: range(len(values)) for profile, values in samples.items()}
        return cls(tuple(strategies), [tuple(own) for own in strategies.values()], samples, seeds)

    @classmethod
    def from_episodes(
        cls, strategies: Mapping[str, Sequence[str]], rows: Mapping[Profile, Mapping[int, Sequence[float]]]
    ) -> EmpiricalGame:
        """The game of payoffs by profile and episode number; the same number in two profiles is a pair."""
        samples = {profile: list(own.values()) for profile, own in rows.items()}
        seeds: dict[tuple[int | str, ...], list[int]] = {profile: list(own) for profile, own in rows.items()}
        return cls(tuple(strategies), [tuple(own) for own in strategies.values()], samples, seeds)

    def profile(self, names: Sequence[int | str]) -> Profile:
        """Strategy names or indices, one per player, as indices. Raises SolverError for unknown ones."""
        if isinstance(names, str) or len(names) != len(self.shape):
            raise SolverError(f"profile {names!r} needs one strategy for each of {self.players}")
        found = []
        for given, player, own in zip(names, self.players, self.strategies, strict=True):
            index = own.index(given) if isinstance(given, str) and given in own else given
            if not isinstance(index, int | np.integer) or not 0 <= index < len(own):
                raise SolverError(f"{player} has no strategy {given!r}; it has {own}, or their indices")
            found.append(int(index))
        return tuple(found)

    def _checked(self, names: Sequence[int | str], values: Any) -> np.ndarray:
        array = np.array(values, dtype=np.float64)
        if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] != len(self.shape):
            raise SolverError(f"samples of {names} have shape {array.shape}; give [episodes >= 1, {len(self.shape)}]")
        if not np.isfinite(array).all():
            raise SolverError(f"samples of {names} hold NaN or infinity; leave failed episodes out")
        return array

    @property
    def known(self) -> np.ndarray:
        """Which profiles have samples: bool, [*strategies]."""
        return self.counts > 0

    @property
    def missing(self) -> list[Profile]:
        """The profiles without samples, in lexicographic order."""
        return [tuple(int(s) for s in profile) for profile in np.argwhere(~self.known)]

    @cached_property
    def counts(self) -> np.ndarray:
        """Episodes per profile: int, [*strategies]."""
        counts = np.zeros(self.shape, dtype=np.int64)
        for profile, values in self.samples.items():
            counts[profile] = len(values)
        return counts

    @cached_property
    def means(self) -> np.ndarray:
        """Mean payoffs [players, *strategies]; NaN where missing."""
        return self._tensor(lambda values: values.mean(axis=0))

    @cached_property
    def standard_errors(self) -> np.ndarray:
        """Standard errors of the means [players, *strategies]; NaN where fewer than two episodes were played."""
        return self._tensor(lambda v: v.std(axis=0, ddof=1) / math.sqrt(len(v)) if len(v) > 1 else np.nan)

    def _tensor(self, statistic: Any) -> np.ndarray:
        tensor = np.full((len(self.shape), *self.shape), np.nan)
        for profile, values in self.samples.items():
            for table, value in zip(tensor, np.broadcast_to(statistic(values), len(tensor)), strict=True):
                table[profile] = value
        return tensor

    @property
    def resolution(self) -> float:
        """Differences up to this are rounding: 1e-12 of the largest absolute mean payoff."""
        return RELATIVE_RESOLUTION * float(np.nanmax(np.abs(self.means)))

    def estimate(self, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
        """K linear combinations of mean payoffs [K] and the covariance [K, K] of their sampling errors.

        Each episode's share in the errors is its deviation from its profile's mean times the weights over n; shares of
        episodes with a common seed are added before they are squared. Raises SolverError for a profile that is missing
        or has one episode only.
        """
        seeds: list[np.ndarray] = []
        errors: list[np.ndarray] = []
        size = len(next(iter(weights.values())))
        values, covariance = np.zeros(size), np.zeros((size, size))
        for profile, own in weights.items():
            mean, deviations = self._errors(profile)
            values += own @ mean
            shares = deviations @ own.T
            covariance += shares.T @ shares
            if self.seeds is not None:
                seeds.append(self.seeds[profile])
                errors.append(shares)
        if seeds:
            unique, owner = np.unique(np.concatenate(seeds), return_inverse=True)
            units = np.zeros((len(unique), size))
            np.add.at(units, owner, np.concatenate(errors))
            covariance = units.T @ units
        return values, covariance

    @cached_property
    def joint(self) -> tuple[list[Profile], np.ndarray, np.ndarray]:
        """The played profiles in lexicographic order, their mean payoffs [profiles * players], one profile after the
        other, and the covariance of all their sampling errors, as `estimate` has it; SolverError as there.
        """
        profiles, players = sorted(self.samples), len(self.shape)
        parts = [self._errors(profile) for profile in profiles]
        places = [slice(k * players, (k + 1) * players) for k in range(len(profiles))]
        covariance = np.zeros((len(profiles) * players,) * 2)
        if self.seeds is None:
            for place, (_, errors) in zip(places, parts, strict=True):
                covariance[place, place] = errors.T @ errors
        else:
            unique, owner = np.unique(np.concatenate([self.seeds[p] for p in profiles]), return_inverse=True)
            units, done = np.zeros((len(unique), len(covariance))), 0
            for place, (_, errors) in zip(places, parts, strict=True):
                units[owner[done : done + len(errors)], place] = errors
                done += len(errors)
            covariance = units.T @ units
        return profiles, np.concatenate([mean for mean, _ in parts]), without_dust(covariance, self.resolution)

    def _errors(self, profile: Profile) -> tuple[np.ndarray, np.ndarray]:
        """A profile's mean payoffs [players], and each episode's share in their errors [episodes, players]."""
        sample = self.samples.get(profile)
        if sample is None or len(sample) < 2:
            played = 0 if sample is None else len(sample)
            raise SolverError(f"profile {profile} has {played} episodes; an error needs 2 at least. Play more")
        mean = sample.mean(axis=0)
        return mean, (sample - mean) / math.sqrt(len(sample) * (len(sample) - 1))

    def to_normal_form(self) -> NormalFormGame:
        """The game of mean payoffs. Raises SolverError naming the missing profiles, if any."""
        missing = self.missing
        if missing:
            shown = ", ".join(str(self.names(profile)) for profile in missing[:5])
            raise SolverError(f"{len(missing)} profiles were never played, among them {shown}; play them first")
        return NormalFormGame(self.means, self.players, self.strategies)

    def names(self, profile: Profile) -> tuple[str, ...]:
        """The strategy names of a profile."""
        return tuple(own[s] for own, s in zip(self.strategies, profile, strict=True))
