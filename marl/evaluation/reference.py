"""Comparing an arm with the equilibria that the env states in `reference()`."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

TOLERANCE = 0.1
SITUATION_TOLERANCE = 0.25
SAME = 1e-9


def payoff_scale(reference: Mapping[str, Any]) -> float:
    """Spread between the payoffs that the reference names: what counts as a large difference in this game.

    Falls back to the largest absolute payoff, and to 1 where all are zero.
    """
    named = [value for equilibrium in reference["equilibria"] for value in equilibrium["payoffs"].values()]
    named += [value for value in (reference["optimum"], reference["no_communication"]) if value is not None]
    spread = max(named) - min(named)
    return spread or max(abs(value) for value in named) or 1.0


def nearest_equilibrium(reference: Mapping[str, Any], arm: Mapping[str, Any]) -> dict[str, Any] | None:
    """The stated equilibrium whose payoffs lie nearest to the arm's, or None when the env states none.

    `distance` is the largest gap over agents between the arm's mean payoff and the equilibrium's. An equilibrium is
    compatible when for every agent its payoff lies inside the arm's interval or within `tolerance` of the mean: a
    tenth of the game's payoff scale, and at most half the way to the next equilibrium. `matched` is true when the
    nearest is compatible and no compatible one pays differently: an interval wide enough for two answers
    (`ambiguous`) settles none. Where the equilibrium states `situation_payoffs` (mean payoff in each situation, in any
    order), the arm's means by situation must have that pattern too, within a quarter of the payoff scale: earning 6.25
    everywhere is not the equilibrium that pays 10 in one situation and 5 in three. Payoffs are evidence of which
    equilibrium was reached, not proof; the plays in `situations` stand beside them.
    """
    tolerance = _tolerance(reference)
    ranked = sorted(reference["equilibria"], key=lambda equilibrium: _distance(equilibrium, arm))
    if not ranked:
        return None
    nearest = ranked[0]
    compatible = [equilibrium for equilibrium in ranked if _compatible(equilibrium, arm, tolerance)]
    ambiguous = any(_gap(equilibrium, nearest) > SAME for equilibrium in compatible)
    return {
        "name": nearest["name"],
        "play": nearest["play"],
        "payoffs": dict(nearest["payoffs"]),
        "distance": _distance(nearest, arm),
        "tolerance": tolerance,
        "matched": nearest in compatible and not ambiguous and _same_pattern(nearest, arm, payoff_scale(reference)),
        "ambiguous": ambiguous,
    }


def _tolerance(reference: Mapping[str, Any]) -> float:
    gaps = [_gap(one, other) for one, other in combinations(reference["equilibria"], 2)]
    return min([TOLERANCE * payoff_scale(reference), *(gap / 2 for gap in gaps if gap > SAME)])


def _distance(equilibrium: Mapping[str, Any], arm: Mapping[str, Any]) -> float:
    return max(abs(arm["per_agent"][agent]["mean"] - payoff) for agent, payoff in equilibrium["payoffs"].items())


def _compatible(equilibrium: Mapping[str, Any], arm: Mapping[str, Any], tolerance: float) -> bool:
    return all(
        arm["per_agent"][agent]["low"] <= payoff <= arm["per_agent"][agent]["high"]
        or abs(arm["per_agent"][agent]["mean"] - payoff) <= tolerance
        for agent, payoff in equilibrium["payoffs"].items()
    )


def _same_pattern(equilibrium: Mapping[str, Any], arm: Mapping[str, Any], scale: float) -> bool:
    stated = sorted(equilibrium.get("situation_payoffs", ()))
    seen = sorted(situation["mean"] for situation in arm.get("situations", {}).values())
    if len(stated) != len(seen):
        return True  # nothing is stated, or not every situation came up
    return all(abs(one - other) <= SITUATION_TOLERANCE * scale for one, other in zip(stated, seen, strict=True))


def _gap(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    return max(abs(one["payoffs"][agent] - payoff) for agent, payoff in other["payoffs"].items())
