"""Fixation in a finite population: will one mutant's strategy take over, or die out?

Sources: Moran 1958, "Random processes in genetics"; Nowak, Sasaki, Taylor & Fudenberg 2004, "Emergence of cooperation
and evolutionary stability in finite populations" (the frequency-dependent process); Traulsen, Nowak & Pacheco 2006,
"Stochastic dynamics of invasion and fixation" (pairwise comparison).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from marl.errors import SolverError
from marl.games.multilinear import check_positive
from marl.games.symmetric import SymmetricGame

Process = Literal["moran", "fermi"]
MAX_POPULATION = 2_000


def meeting_payoffs(game: SymmetricGame, mutant: int, resident: int, population: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean payoffs of mutants and residents with 1 to population - 1 mutants, nobody meets itself: two arrays [m - 1].

    The F_i and G_i of Nowak et al. 2004. Raises SolverError unless the game has two players, the strategies are two
    different ones of it, and 2 <= population <= MAX_POPULATION.
    """
    size = len(game.strategies)
    if not (0 <= mutant < size and 0 <= resident < size and mutant != resident):
        raise SolverError(f"mutant {mutant} and resident {resident} must be two different indices below {size}")
    if not 2 <= population <= MAX_POPULATION:
        raise SolverError(f"population {population} must be 2 to {MAX_POPULATION}")
    matrix, mutants = game.matrix, np.arange(1, population)
    residents, others = population - mutants, population - 1
    own = ((mutants - 1) * matrix[mutant, mutant] + residents * matrix[mutant, resident]) / others
    theirs = (mutants * matrix[resident, mutant] + (residents - 1) * matrix[resident, resident]) / others
    return own, theirs


def log_backward_ratio(own: np.ndarray, theirs: np.ndarray, intensity: float, process: Process) -> np.ndarray:
    """Logarithm of P(one mutant less) / P(one more), by number of mutants.

    "moran": fitness is 1 - w + w * payoff with w = `intensity` in [0, 1]; SolverError where a fitness is not positive.
    "fermi": the ratio is e^(-intensity * (own - theirs)).
    """
    if process == "fermi":
        return intensity * (theirs - own)
    if not 0 <= intensity <= 1:
        raise SolverError(f"the Moran process needs an intensity in [0, 1]; given {intensity}")
    fitness, rival = 1 - intensity + intensity * own, 1 - intensity + intensity * theirs
    if min(fitness.min(), rival.min()) <= 0:
        raise SolverError("a fitness 1 - w + w * payoff is not positive; add a constant to all payoffs or lower w")
    return np.log(rival) - np.log(fitness)


def fixation_probability(
    game: SymmetricGame,
    mutant: int,
    resident: int,
    population: int,
    intensity: float = 1.0,
    process: Process = "moran",
) -> float:
    """The probability that one mutant among `population` - 1 residents takes over: rho of Nowak et al. 2004.

    1 / (1 + sum over k of the product of backward ratios up to k), by logarithms, so that nothing overflows. Without
    selection it is 1 / population. Errors as in `meeting_payoffs` and `log_backward_ratio`.
    """
    return float(np.exp(log_fixation_probability(game, mutant, resident, population, intensity, process)))


def log_fixation_probability(
    game: SymmetricGame, mutant: int, resident: int, population: int, intensity: float, process: Process
) -> float:
    """The natural logarithm of `fixation_probability`, which may be too small for a float."""
    own, theirs = meeting_payoffs(game, mutant, resident, population)
    steps = np.cumsum(log_backward_ratio(own, theirs, intensity, process))
    return -float(np.logaddexp(0.0, np.logaddexp.reduce(steps)))


def fixed_fitness(fitness: float, population: int) -> float:
    """Fixation probability of a mutant with r = `fitness` times the residents' fitness: (1 - 1/r) / (1 - 1/r^m)."""
    check_positive(fitness=fitness, population=population)
    if fitness == 1:
        return 1 / population
    return float(np.expm1(-np.log(fitness)) / np.expm1(-population * np.log(fitness)))


def transition_matrix(
    game: SymmetricGame, mutant: int, resident: int, population: int, intensity: float = 1.0
) -> np.ndarray:
    """The whole Moran chain over the number of mutants: [population + 1, population + 1]; 0 and population absorb.

    A parent is chosen in proportion to fitness, its child replaces someone chosen uniformly. Errors as above.
    """
    own, theirs = meeting_payoffs(game, mutant, resident, population)
    log_backward_ratio(own, theirs, intensity, "moran")
    mutants = np.arange(1, population)
    more = mutants * (1 - intensity + intensity * own)
    less = (population - mutants) * (1 - intensity + intensity * theirs)
    up = more / (more + less) * (population - mutants) / population
    down = less / (more + less) * mutants / population
    chain = np.zeros((population + 1, population + 1))
    chain[mutants, mutants + 1], chain[mutants, mutants - 1] = up, down
    chain[np.arange(population + 1), np.arange(population + 1)] = 1 - chain.sum(axis=1)
    return chain


def absorption(chain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For a chain as of `transition_matrix`: by number of mutants at the start, the probability that they take over and
    the expected number of steps until one side has: two arrays [population + 1]. By one linear solve.
    """
    inner = np.eye(len(chain) - 2) - chain[1:-1, 1:-1]
    solved = np.linalg.solve(inner, np.stack([chain[1:-1, -1], np.ones(len(inner))], axis=1))
    return np.concatenate([[0.0], solved[:, 0], [1.0]]), np.concatenate([[0.0], solved[:, 1], [0.0]])
