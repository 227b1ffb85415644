"""Mixed profiles that make every player indifferent over a given support, by Newton's method from many starts."""

from __future__ import annotations

import string
from collections.abc import Sequence

import numpy as np

STEPS = 40
CONVERGED = 1e-11
DAMPING = 1e-13
SINGULAR = 1e-7


def indifferent_profiles(tensors: Sequence[np.ndarray], starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Solutions of the indifference equations that Newton's method reaches from `starts`.

    `tensors` holds each player's payoffs within the support ([k_1, .., k_n] floats of order 1), `starts` is [Z, sum of
    k], the players' distributions side by side. The equations say that each player's payoffs are equal over its k
    strategies and its weights sum to 1. Returns the converged rows [<= Z, sum of k], whose weights may be negative, as
    the equations do not forbid it, and for each whether it is isolated (bool; otherwise it may lie in a continuum of
    solutions). Singular systems are met with the smallest step that helps (damped least squares).
    """
    cuts = np.cumsum(tensors[0].shape)[:-1]
    points = starts.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(STEPS):
            residual, jacobian = _equations(tensors, np.split(points, cuts, axis=1))
            size = np.abs(residual).max(axis=1, initial=0.0)
            if (size < CONVERGED).all():
                break
            normal = jacobian.transpose(0, 2, 1) @ jacobian + DAMPING * np.eye(points.shape[1])
            step = np.linalg.solve(normal, jacobian.transpose(0, 2, 1) @ residual[:, :, None])[:, :, 0]
            points = points - step / np.maximum(1.0, np.abs(step).max(axis=1, keepdims=True))
    residual, jacobian = _equations(tensors, np.split(points, cuts, axis=1))
    converged = np.abs(residual).max(axis=1) < CONVERGED
    smallest = np.linalg.svd(jacobian[converged], compute_uv=False)[:, -1]
    return points[converged], smallest > SINGULAR


def _equations(tensors: Sequence[np.ndarray], parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Residuals [Z, sum of k] and their derivatives [Z, sum of k, sum of k]."""
    rows, blocks = [], []
    for player, tensor in enumerate(tensors):
        payoffs = _contract(tensor, parts, (player,))
        rows.append(np.concatenate([parts[player].sum(axis=1, keepdims=True) - 1, np.diff(payoffs, axis=1)], axis=1))
        block = []
        for other, part in enumerate(parts):
            slope = np.zeros((len(part), tensor.shape[player], tensor.shape[other]))
            if other == player:
                slope[:, 0, :] = 1.0
            else:
                slope[:, 1:, :] = np.diff(_contract(tensor, parts, (player, other)), axis=1)
            block.append(slope)
        blocks.append(np.concatenate(block, axis=2))
    return np.concatenate(rows, axis=1), np.concatenate(blocks, axis=1)


def _contract(tensor: np.ndarray, parts: Sequence[np.ndarray], kept: tuple[int, ...]) -> np.ndarray:
    """The tensor averaged over all players but `kept`, for each row of weights: [Z, k of each kept]."""
    letters = string.ascii_letters[: tensor.ndim]
    others = [i for i in range(tensor.ndim) if i not in kept]
    rows = len(parts[0])
    if not others:
        return np.broadcast_to(np.transpose(tensor, kept), (rows, *(tensor.shape[i] for i in kept)))
    inputs = ",".join([letters, *(f"Z{letters[i]}" for i in others)])
    return np.einsum(f"{inputs}->Z{''.join(letters[i] for i in kept)}", tensor, *(parts[i] for i in others))
