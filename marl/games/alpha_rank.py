"""Alpha-rank: how much of the long run an evolving population spends at each strategy or profile.

Source: Omidshafiei et al. 2019, "alpha-Rank: Multi-agent evaluation by evolution" (arXiv:1903.01373), the fixation
probability rho and the transition matrix C of its discrete-time model. A rare mutant takes a population of m over with
rho = (1 - e^-u) / (1 - e^-mu), u = alpha * (its payoff - the residents'), or 1/m where u = 0; the masses are the
stationary distribution of the chain that these probabilities give.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from marl.errors import SolverError
from marl.games.moran import log_fixation_probability
from marl.games.normal_form import NormalFormGame
from marl.games.stationary import eliminate_logs, eliminate_orders, solve_directly
from marl.games.symmetric import SymmetricGame

MAX_STATES = 20_000
Downhill = Literal["payoff", "equal"]
Selection = Literal["local", "population"]


@dataclass(frozen=True, slots=True)
class AlphaRank:
    """Masses that sum to 1: [strategies] where `populations` is 1, else [*strategies], one population per player.

    `method`: "direct solve", "elimination of logarithms" (where the direct one would lose digits), or "exact limit" at
    infinite alpha.
    """

    masses: np.ndarray
    alpha: float
    population: int
    populations: int
    method: str

    @property
    def ranking(self) -> list[tuple[int, ...]]:
        """Strategies (as 1-tuples) or profiles, the heaviest first; ties in lexicographic order."""
        order = np.argsort(-self.masses, axis=None, kind="stable")
        return [tuple(int(s) for s in np.unravel_index(place, self.masses.shape)) for place in order]


@dataclass(frozen=True, slots=True)
class _Chain:
    """Possible moves between monomorphic states: `gain` of the mutant [moves], and how a mutation chooses: 1 / eta."""

    states: int
    source: np.ndarray
    target: np.ndarray
    gain: np.ndarray
    mutations: int


def alpha_rank(
    game: NormalFormGame | SymmetricGame,
    alpha: float = 100.0,
    population: int = 50,
    *,
    selection: Selection = "local",
    downhill: Downhill = "payoff",
) -> AlphaRank:
    """Alpha-rank of a game: one population for a two-player SymmetricGame, one per player for a NormalFormGame.

    `alpha` is the selection intensity, `population` the m of the source. With `alpha=math.inf` the answer is the exact
    limit, never a perturbed chain: sink components of the better-response graph share the mass as the least improbable
    ways between them say. `downhill` matters in that limit only: "payoff" is the limit of the model above (a step down
    by d has probability e^(-alpha (m - 1) d)); "equal" makes all steps down equally improbable, whatever they cost, and
    ties 1/2 (the noise model of Rowland et al. 2019, "Multiagent evaluation under incomplete information", as its noise
    goes to 0). `selection`: "local" compares a mutant with the resident that it meets; "population", for one population
    and finite alpha, compares mean payoffs in the population as it is, as the Moran process does.
    Raises SolverError for alpha < 0, a population below 2, more than MAX_STATES states, and where "population" does not
    apply.
    """
    if not alpha >= 0 or population < 2:
        raise SolverError(f"alpha {alpha} must be >= 0 and population {population} >= 2")
    shape = (len(game.strategies),) if isinstance(game, SymmetricGame) else game.shape
    if math.prod(shape) > MAX_STATES:
        raise SolverError(f"{math.prod(shape)} states are more than {MAX_STATES}; drop strategies")
    if selection == "population" and (math.isinf(alpha) or not isinstance(game, SymmetricGame)):
        raise SolverError('selection "population" needs one population (a SymmetricGame) and a finite alpha')
    chain = _one_population(game) if isinstance(game, SymmetricGame) else _many_populations(game)
    if not len(chain.gain):
        masses, method = np.ones(1), "direct solve"
    elif math.isinf(alpha):
        masses, method = _limit(chain, population, downhill, _resolution(game)), "exact limit"
    elif selection == "population" and isinstance(game, SymmetricGame):
        masses, method = _finite(chain, _population_wide(game, chain, alpha, population))
    else:
        masses, method = _finite(chain, log_fixation(alpha * chain.gain, population))
    return AlphaRank(masses.reshape(shape), float(alpha), population, len(shape), method)


def log_fixation(u: np.ndarray, population: int) -> np.ndarray:
    """Logarithm of (1 - e^-u) / (1 - e^-mu) for any u without overflow; -log m where u is 0."""
    size = np.abs(u)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(-np.expm1(-size)) - np.log(-np.expm1(-population * size))
    return np.where(size > 0, ratio, -math.log(population)) + (population - 1) * np.minimum(u, 0.0)


def _one_population(game: SymmetricGame) -> _Chain:
    matrix = game.matrix
    size = len(matrix)
    source, target = np.nonzero(~np.eye(size, dtype=bool))
    return _Chain(size, source, target, (matrix - matrix.T)[target, source], size - 1)


def _many_populations(game: NormalFormGame) -> _Chain:
    payoffs, places = game.payoffs.astype(np.float64), np.arange(math.prod(game.shape)).reshape(game.shape)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for player, size in enumerate(game.shape):
        where = np.moveaxis(places, player, -1).reshape(-1, size)
        own = np.moveaxis(payoffs[player], player, -1).reshape(-1, size)
        before, after = np.nonzero(~np.eye(size, dtype=bool))
        gain = own[:, after] - own[:, before]
        parts.append((where[:, before].ravel(), where[:, after].ravel(), gain.ravel()))
    source, target, gain = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Chain(places.size, source, target, gain, sum(game.shape) - len(game.shape))


def _resolution(game: NormalFormGame | SymmetricGame) -> float:
    return 1e-12 * float(np.abs(game.payoffs).max())


def _population_wide(game: SymmetricGame, chain: _Chain, alpha: float, population: int) -> np.ndarray:
    pairs = zip(chain.target.tolist(), chain.source.tolist(), strict=True)
    return np.array([log_fixation_probability(game, *pair, population, alpha, "fermi") for pair in pairs])


def _finite(chain: _Chain, log_rho: np.ndarray) -> tuple[np.ndarray, str]:
    logs = log_rho - math.log(chain.mutations)
    masses = solve_directly(_matrix(chain, np.exp(logs)))
    if masses is not None:
        return masses, "direct solve"
    dense = np.full((chain.states, chain.states), -np.inf)
    dense[chain.source, chain.target] = logs
    return eliminate_logs(dense), "elimination of logarithms"


def _limit(chain: _Chain, population: int, downhill: Downhill, resolution: float) -> np.ndarray:
    tie, down = np.abs(chain.gain) <= resolution, chain.gain < -resolution
    factors = np.where(tie, 0.5 if downhill == "equal" else 1 / population, 1.0)
    graph = _matrix(chain, np.where(down, 0.0, factors))
    graph.eliminate_zeros()
    sinks = _sinks(graph)
    if len(sinks) == 1:
        inside = sinks[0]
        masses = np.zeros(chain.states)
        within = solve_directly(graph[inside][:, inside].tocsr())
        if within is not None:
            masses[inside] = within
            return masses
    orders = np.where(down, 1.0 if downhill == "equal" else -chain.gain, 0.0)
    dense_factors, dense_orders = np.zeros((2, chain.states, chain.states))
    dense_factors[chain.source, chain.target] = factors
    dense_orders[chain.source, chain.target] = orders
    return eliminate_orders(dense_factors, dense_orders)


def _sinks(graph: sparse.csr_array) -> list[np.ndarray]:
    """The states of each strongly connected component that nothing leaves."""
    number, label = connected_components(graph, connection="strong")
    source, target = graph.nonzero()
    left = np.unique(label[source[label[source] != label[target]]])
    return [np.flatnonzero(label == component) for component in np.setdiff1d(np.arange(number), left)]


def _matrix(chain: _Chain, rates: np.ndarray) -> sparse.csr_array:
    return sparse.csr_array((rates, (chain.source, chain.target)), shape=(chain.states, chain.states))
