"""Coefficients that change along training: entropy, exploration, temperature."""

from __future__ import annotations


def scheduled(ends: tuple[float, float], iteration: int, iterations: int) -> float:
    """The value at `iteration` (0-based) on the straight line from ends[0] (first) to ends[1] (last iteration)."""
    share = iteration / (iterations - 1) if iterations > 1 else 0.0
    return ends[0] + (ends[1] - ends[0]) * min(max(share, 0.0), 1.0)
