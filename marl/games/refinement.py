"""Which profiles of an empirical game need how many more episodes until its open questions are decided.

The standard error of a mean falls with the square root of the episodes, so that an interval of half-width m shrinks to
h with (m / h)^2 times as many; the plan takes the present estimates for true, as sample size calculations do (Cohen
1988, "Statistical Power Analysis for the Behavioral Sciences").
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from marl.games.empirical import EmpiricalGame
from marl.games.normal_form import Profile
from marl.games.regret import Gains

PRECISION = 0.05
"""Gains up to this share of the spread of payoffs count as none."""


def refinement(game: EmpiricalGame, switches: Iterable[Gains], *, precision: float = PRECISION) -> dict[str, Any]:
    """What to play to know, for each profile whose `switches` (`marl.games.regret.deviation_gains`) are given, whether
    anybody gains by switching alone from it.

    The gain of a switch is decided where its simultaneous interval leaves out zero, or lies below the tolerance:
    `precision` times the spread of mean payoffs, or their largest standard error if that is more. Returns
    `tolerance`; `questions`, how many gains there are, and `undecided`, how many are open; and `profiles`:
    [{"profile", "played", "more"}], those that need most first. A profile that was never played and that a switch
    needs is asked for with as many episodes as the fewest of the others.
    """
    # Where all means are alike their errors say what counts as little.
    tolerance = precision * max(
        float(np.ptp(game.means[:, game.known])), float(np.nan_to_num(game.standard_errors).max())
    )
    wanted: dict[Profile, int] = {}
    questions = undecided = 0
    for gains in switches:
        questions += len(gains.rows) + len(gains.unknown)
        undecided += len(gains.unknown)
        for place in gains.missing:
            wanted[place] = int(game.counts[game.known].min())
        for k, (gain, margin) in enumerate(zip(gains.means, gains.margins, strict=True)):
            enough = max(abs(gain), tolerance - gain)
            if margin <= enough:
                continue
            undecided += 1
            factor = (margin / enough) ** 2
            for place, weights in gains.weights.items():
                if weights[k].any():
                    more = math.ceil((factor - 1.0) * len(game.samples[place]))
                    wanted[place] = max(wanted.get(place, 0), more)
    plan = sorted(wanted.items(), key=lambda item: (-item[1], item[0]))
    return {
        "tolerance": tolerance,
        "questions": questions,
        "undecided": undecided,
        "profiles": [{"profile": list(p), "played": int(game.counts[p]), "more": more} for p, more in plan if more > 0],
    }


def within(plan: dict[str, Any], budget: int) -> dict[Profile, int]:
    """Episodes to play by profile: all of the plan, or `budget` episodes shared out in proportion to what is needed."""
    wanted = {tuple(one["profile"]): one["more"] for one in plan["profiles"]}
    total = sum(wanted.values())
    if total <= budget:
        return wanted
    shares = {profile: budget * more / total for profile, more in wanted.items()}
    given = {profile: math.floor(share) for profile, share in shares.items()}
    left = budget - sum(given.values())
    for profile in sorted(shares, key=lambda p: (given[p] - shares[p], p))[:left]:
        given[profile] += 1
    return {profile: count for profile, count in given.items() if count}
