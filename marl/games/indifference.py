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
    points, converged = newton(tensors, starts)
    points = points[converged]
    _, jacobian = _equations(tensors, np.split(points, np.cumsum(tensors[0].shape)[:-1], axis=1))
    smallest = np.linalg.svd(jacobian, compute_uv=False)[:, -1]
    return points, smallest > SINGULAR


def newton(tensors: Sequence[np.ndarray], starts: np.ndarray, steps: int = STEPS) -> tuple[np.ndarray, np.ndarray]:
    """Where Newton's method leads from `starts` [Z, sum of k] in `steps` steps at most, and which rows [Z] solve the
    indifference equations there. `tensors` as in `indifferent_profiles`, or [Z, k_1, .., k_n], a game for each row.
    """
    players = len(tensors)
    cuts = np.cumsum(tensors[0].shape[-players:])[:-1]
    points, moving = starts.copy(), np.arange(len(starts))
    converged = np.zeros(len(starts), dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps + 1):
            games = [tensor[moving] if tensor.ndim > players else tensor for tensor in tensors]
            residual, jacobian = _equations(games, np.split(points[moving], cuts, axis=1))
            done = np.abs(residual).max(axis=1, initial=0.0) < CONVERGED
            converged[moving[done]] = True
            moving, residual, jacobian = moving[~done], residual[~done], jacobian[~done]
            if not len(moving) or step == steps:
                break
            normal = jacobian.transpose(0, 2, 1) @ jacobian + DAMPING * np.eye(points.shape[1])
            move = np.linalg.solve(normal, jacobian.transpose(0, 2, 1) @ residual[:, :, None])[:, :, 0]
            points[moving] -= move / np.maximum(1.0, np.abs(move).max(axis=1, keepdims=True))
    return points, converged


def _equations(tensors: Sequence[np.ndarray], parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Residuals [Z, sum of k] and their derivatives [Z, sum of k, sum of k]."""
    rows, blocks = [], []
    sizes = [part.shape[1] for part in parts]
    for player, tensor in enumerate(tensors):
        payoffs = _contract(tensor, parts, (player,))
        rows.append(np.concatenate([parts[player].sum(axis=1, keepdims=True) - 1, np.diff(payoffs, axis=1)], axis=1))
        block = []
        for other, part in enumerate(parts):
            slope = np.zeros((len(part), sizes[player], sizes[other]))
            if other == player:
                slope[:, 0, :] = 1.0
            else:
                slope[:, 1:, :] = np.diff(_contract(tensor, parts, (player, other)), axis=1)
            block.append(slope)
        blocks.append(np.concatenate(block, axis=2))
    return np.concatenate(rows, axis=1), np.concatenate(blocks, axis=1)


def _contract(tensor: np.ndarray, parts: Sequence[np.ndarray], kept: tuple[int, ...]) -> np.ndarray:
    """The tensor (or one for each row) averaged over all players but `kept`, for each row of weights: [Z, k of each
    kept].
    """
    letters = string.ascii_letters[: len(parts)]
    others = [i for i in range(len(parts)) if i not in kept]
    inputs = ",".join([f"...{letters}", *(f"...{letters[i]}" for i in others)])
    found = np.einsum(f"{inputs}->...{''.join(letters[i] for i in kept)}", tensor, *(parts[i] for i in others))
    return np.broadcast_to(found, (len(parts[0]), *found.shape[-len(kept) :]))
