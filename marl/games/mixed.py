"""Mixed equilibria of any finite game: exact and complete for two players, a verified search for more.

Source of the search: Porter, Nudelman & Shoham 2008, "Simple search methods for finding a Nash equilibrium": supports
from small to large, and on each one the indifference equations. All their solutions are enclosed where that can be
done; else they are solved numerically from several starts. A solution counts only if its regret in the whole game is
zero within `tolerance`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from marl.errors import SolverError
from marl.games.enclosure import enclose
from marl.games.enumeration import extreme_equilibria
from marl.games.equilibrium import Complete, Equilibrium, EquilibriumSet, by_support, certify
from marl.games.indifference import indifferent_profiles
from marl.games.lemke_howson import lemke_howson
from marl.games.limits import TIME_LIMIT, Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria, pure_equilibrium

Support = tuple[tuple[int, ...], ...]

PLAYED = 1e-7
SAME = 1e-6
MAX_PIVOTS = 2_000


def mixed_equilibria(game: NormalFormGame, *, time_limit: float = TIME_LIMIT) -> EquilibriumSet:
    """All extreme equilibria where that can be decided, else what is found within `time_limit` seconds.

    Two players: exact enumeration, complete "yes"; beyond its limits Lemke-Howson paths and `search_equilibria`, and
    `reason` says why. One player: the best strategies. More players: the search.
    """
    if len(game.shape) == 1:
        best = tuple(pure_equilibrium(game, profile) for profile in pure_equilibria(game))
        return EquilibriumSet(best, "yes", "every strategy of the only player was compared", len(best) > 1)
    if len(game.shape) > 2:
        return search_equilibria(game, time_limit=time_limit)
    deadline = Deadline(time_limit)
    try:
        return extreme_equilibria(game, time_limit=deadline.left / 2)
    except SolverError as error:
        paths = _path_ends(game, Deadline(deadline.left / 2))
        found = search_equilibria(game, time_limit=deadline.left)
        known = [one for one in paths if not any(_same(one, other) for other in found.equilibria)]
        every = tuple(sorted([*found.equilibria, *known], key=by_support))
        reason = f"{error}; {found.reason}; Lemke-Howson paths led to {len(paths)} equilibria"
        return EquilibriumSet(every, "unknown", reason)


def search_equilibria(
    game: NormalFormGame,
    *,
    max_supports: int = 4096,
    starts: int = 16,
    tolerance: float = 1e-9,
    seed: int = 0,
    time_limit: float = TIME_LIMIT,
) -> EquilibriumSet:
    """All pure equilibria (exactly), and mixed ones found on the `max_supports` smallest supports.

    `tolerance` bounds the regret as a share of each player's payoff range; mixed profiles are floating. Complete is
    "yes" where on every support all solutions could be enclosed (`marl.games.enclosure`), and "unknown" where one may
    hold a continuum, as in degenerate games, or the search was cut short: by `max_supports`, or by `time_limit` seconds
    (it answers with what it has). `reason` says how far it came. Raises SolverError where an argument is not positive.
    """
    if min(max_supports, starts) < 1 or tolerance <= 0:
        raise SolverError("max_supports, starts and tolerance must be positive")
    deadline, rng = Deadline(time_limit), np.random.default_rng(seed)
    scaled = _unit_range(game)
    found = [pure_equilibrium(game, profile) for profile in pure_equilibria(game)]
    tried = proved = 0
    for support in itertools.islice(_supports(game.shape), max_supports):
        if deadline.passed:
            break
        tried += 1
        enclosed = enclose(list(scaled.payoffs), support, deadline)
        profiles, clear = _equilibria_among(enclosed.points, scaled, support, tolerance)
        if enclosed.complete and clear:
            proved += 1
            found.extend(certify(game, profile, "support enclosure") for profile in profiles)
        else:
            profiles = _solutions(scaled, support, starts, tolerance, rng)
            found.extend(certify(game, profile, "support search") for profile in profiles)
    total = math.prod(2**size - 1 for size in game.shape) - math.prod(game.shape)
    reason = (
        f"all pure profiles were compared, and on {proved} of {total} mixed supports every equilibrium was enclosed"
    )
    if proved < total:
        reason += (
            f"; {tried - proved} others were searched from {starts} starts each, which proves what was found and not "
            "that nothing else exists"
        )
    complete: Complete = "yes" if proved == total else "unknown"
    return EquilibriumSet(tuple(sorted(found, key=by_support)), complete, reason)


def _path_ends(game: NormalFormGame, deadline: Deadline) -> list[Equilibrium]:
    """The different equilibria that Lemke-Howson paths lead to, from as many labels as the time allows."""
    ends: list[Equilibrium] = []
    for label in range(sum(game.shape)):
        if deadline.passed:
            break
        found = lemke_howson(game, label, max_pivots=MAX_PIVOTS)
        if found is not None and not any(_same(found, other) for other in ends):
            ends.append(found)
    return ends


def _same(one: Equilibrium, other: Equilibrium) -> bool:
    return all(
        np.abs(np.array(a, dtype=float) - np.array(b, dtype=float)).max() < SAME
        for a, b in zip(one.profile, other.profile, strict=True)
    )


def _unit_range(game: NormalFormGame) -> NormalFormGame:
    payoffs = game.payoffs.astype(np.float64)
    axes = tuple(range(1, payoffs.ndim))
    low = payoffs.min(axis=axes, keepdims=True)
    span = payoffs.max(axis=axes, keepdims=True) - low
    return NormalFormGame((payoffs - low) / np.where(span == 0, 1, span))


def _supports(shape: tuple[int, ...]) -> Iterator[Support]:
    """Supports with at least one mixing player, in the order of their total size, made lazily."""
    for total in range(len(shape) + 1, sum(shape) + 1):
        for sizes in itertools.product(*(range(1, size + 1) for size in shape)):
            if sum(sizes) == total:
                yield from itertools.product(
                    *(itertools.combinations(range(size), k) for size, k in zip(shape, sizes, strict=True))
                )


def _equilibria_among(
    points: np.ndarray, game: NormalFormGame, support: Support, tolerance: float
) -> tuple[list[list[np.ndarray]], bool]:
    """The profiles among enclosed solutions, and whether each is clearly one with exactly this support or clearly not:
    one with a weight of 0 belongs to a smaller support.
    """
    profiles, clear = [], True
    for point in points:
        if point.min() <= 0 or point.min() < PLAYED:
            clear &= point.min() < tolerance
            continue
        mixed = _spread(point, game.shape, support)
        regret = max(game.regret(mixed))
        if regret <= tolerance:
            profiles.append(mixed)
        clear &= regret <= tolerance or regret > SAME
    return profiles, clear


def _spread(point: np.ndarray, shape: tuple[int, ...], support: Support) -> list[np.ndarray]:
    mixed = [np.zeros(size) for size in shape]
    parts = np.split(point, np.cumsum([len(own) for own in support])[:-1])
    for full, own, values in zip(mixed, support, parts, strict=True):
        full[list(own)] = values / values.sum()
    return mixed


def _solutions(
    game: NormalFormGame, support: Support, starts: int, tolerance: float, rng: np.random.Generator
) -> list[list[np.ndarray]]:
    """Different equilibria with exactly this support, of a continuum one only."""
    sizes = [len(own) for own in support]
    uniform = np.concatenate([np.full(k, 1 / k) for k in sizes])
    random = np.concatenate([rng.dirichlet(np.ones(k), starts - 1) for k in sizes], axis=1)
    tensors = [tensor[np.ix_(*support)] for tensor in game.payoffs]
    found: list[np.ndarray] = []
    profiles = []
    points = indifferent_profiles(tensors, np.concatenate([uniform[None], random]))
    for point, isolated in zip(*points, strict=True):
        if point.min() <= PLAYED or any(np.abs(point - old).max() < SAME for old in found):
            continue
        mixed = _spread(point, game.shape, support)
        if max(game.regret(mixed)) <= tolerance:
            found.append(point)
            profiles.append(mixed)
            if not isolated:
                break
    return profiles
