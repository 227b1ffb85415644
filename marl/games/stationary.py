"""The stationary distribution of a Markov chain, also where its rates lie hundreds of orders of magnitude apart.

A direct solve is used where its condition number proves it accurate. Otherwise states are eliminated one by one without
any subtraction (Grassmann, Taksar & Heyman 1985, "Regenerative analysis and steady state distributions"), on
logarithms of the rates; or, for a chain whose rates are c * epsilon^e, on the pairs (c, e), which gives the exact limit
epsilon -> 0.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import lapack
from scipy.sparse.linalg import LinearOperator, onenormest, splu

from marl.errors import SolverError

WELL_CONDITIONED = 1e-9
"""Reciprocal condition number from which on a direct solve is trusted: an error of some 1e-7 at the very worst."""
MAX_DENSE = 2_000
MAX_ELIMINATED = 1_500
SAME_EXPONENT = 1e-9


def solve_directly(rates: sparse.csr_array) -> np.ndarray | None:
    """The distribution [states] by LU decomposition, or None where the chain is too near to a reducible one for it.

    `rates` [from, to] are transition rates or probabilities off the diagonal; the diagonal is not used.
    """
    states = rates.shape[0]
    if states == 1:
        return np.ones(1)
    scale = rates.data.max(initial=0.0)
    if scale == 0.0:
        return None
    return (_solve_dense if states <= MAX_DENSE else _solve_sparse)(rates / scale)


def _solve_dense(rates: sparse.csr_array) -> np.ndarray | None:
    system = rates.toarray().T
    np.fill_diagonal(system, 0.0)
    np.fill_diagonal(system, -system.sum(axis=0))
    system[-1] = 1.0
    norm = np.abs(system).sum(axis=0).max()
    factors, pivots, info = lapack.dgetrf(system, overwrite_a=True)
    if info != 0 or lapack.dgecon(factors, norm)[0] < WELL_CONDITIONED:
        return None
    right = np.zeros(len(system))
    right[-1] = 1.0
    return _normalized(lapack.dgetrs(factors, pivots, right)[0])


def _solve_sparse(rates: sparse.csr_array) -> np.ndarray | None:
    """The same with one state's mass fixed at 1, so that no dense row spoils the sparsity."""
    off = rates - sparse.diags_array(rates.diagonal())
    system = (sparse.diags_array(off.sum(axis=1)) - off).T.tocsc()
    pivot = int(np.argmax(off.sum(axis=0)))
    kept = np.delete(np.arange(rates.shape[0]), pivot)
    inner = system[kept][:, kept].tocsc()
    try:
        factors = splu(inner)
    except RuntimeError:  # SuperLU's word for an exactly singular matrix
        return None
    inverse = LinearOperator(inner.shape, matvec=factors.solve, rmatvec=lambda v: factors.solve(v, trans="T"))
    norm = float(np.abs(inner).sum(axis=0).max())
    if not norm * onenormest(inverse) < 1 / WELL_CONDITIONED:
        return None
    masses = np.ones(rates.shape[0])
    masses[kept] = factors.solve(-system[kept][:, [pivot]].toarray()[:, 0])
    return _normalized(masses)


def _normalized(masses: np.ndarray) -> np.ndarray:
    masses = np.clip(masses, 0.0, None)
    return masses / masses.sum()


def eliminate_logs(log_rates: np.ndarray) -> np.ndarray:
    """The distribution [states] from natural logarithms of the rates [from, to] (-inf: no transition).

    Every mass is right to rounding, however small the rates. The chain must be irreducible (else SolverError), and have
    at most MAX_ELIMINATED states. The diagonal is not used.
    """
    states = _check_size(len(log_rates))
    rates = np.array(log_rates, dtype=np.float64)
    np.fill_diagonal(rates, -np.inf)
    out = np.zeros(states)
    for k in range(states - 1, 0, -1):
        out[k] = np.logaddexp.reduce(rates[k, :k])
        if out[k] == -np.inf:
            raise SolverError("the chain is reducible: from one set of states no other can be reached")
        share = rates[k, :k] - out[k]
        rates[:k, :k] = np.logaddexp(rates[:k, :k], rates[:k, k, None] + share)
    logs = np.zeros(states)
    for k in range(1, states):
        logs[k] = np.logaddexp.reduce(logs[:k] + rates[:k, k]) - out[k]
    masses = np.exp(logs - logs.max())
    return masses / masses.sum()


def eliminate_orders(factors: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """The limit for epsilon -> 0 of the distribution [states] of a chain with rates factors * epsilon^orders.

    Both [from, to]; a factor of 0 means no transition. Elimination adds, multiplies and divides only, so that the
    leading terms follow from leading terms. Orders within 1e-9 of the largest finite one count as equal. SolverError as
    in `eliminate_logs`.
    """
    states = _check_size(len(factors))
    c = np.array(factors, dtype=np.float64)
    np.fill_diagonal(c, 0.0)
    e = np.where(c > 0, orders, np.inf)
    tolerance = SAME_EXPONENT * float(e[np.isfinite(e)].max(initial=0.0))
    out_c, out_e = np.ones(states), np.zeros(states)
    for k in range(states - 1, 0, -1):
        out_c[k], out_e[k] = _total(c[k, :k], e[k, :k], tolerance)
        if out_c[k] == 0:
            raise SolverError("the chain is reducible: from one set of states no other can be reached")
        more_c = c[:k, k, None] * (c[k, :k] / out_c[k])
        more_e = e[:k, k, None] + (e[k, :k] - out_e[k])
        least = np.minimum(e[:k, :k], more_e)
        c[:k, :k] = c[:k, :k] * (e[:k, :k] <= least + tolerance) + more_c * (more_e <= least + tolerance)
        e[:k, :k] = least
    mass, order = np.ones(states), np.zeros(states)
    for k in range(1, states):
        mass[k], order[k] = _total(mass[:k] * c[:k, k], order[:k] + e[:k, k], tolerance)
        mass[k], order[k] = mass[k] / out_c[k], order[k] - out_e[k]
    masses = np.where(order <= order.min() + tolerance, mass, 0.0)
    return masses / masses.sum()


def _total(c: np.ndarray, e: np.ndarray, tolerance: float) -> tuple[float, float]:
    least = float(e.min())
    return (float(c[e <= least + tolerance].sum()), least) if np.isfinite(least) else (0.0, np.inf)


def _check_size(states: int) -> int:
    if states > MAX_ELIMINATED:
        raise SolverError(
            f"{states} states whose rates are too far apart for a direct solve, and more than the {MAX_ELIMINATED} "
            "that can be eliminated one by one; lower alpha or drop strategies"
        )
    return states
