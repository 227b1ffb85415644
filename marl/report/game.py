"""The empirical game for reading: payoff cells, equilibria and the learned profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from marl.report import formats

MOST_PROFILES = 256
Profile = tuple[int, ...]
Strategies = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Cell:
    """One profile: per player (payoff, standard error, whether it is that player's best response)."""

    names: list[str]
    payoffs: list[tuple[str, str, bool]]
    played: bool
    equilibrium: bool
    learned: bool

    @property
    def status(self) -> list[str]:
        """What the profile is, in words that are style classes too."""
        return [word for word, holds in (("learned", self.learned), ("equilibrium", self.equilibrium)) if holds]


@dataclass(frozen=True)
class EquilibriumView:
    """One equilibrium: each player's play in words, the payoffs, and how sure it is.

    `regret` is that of the measured means, `bound` the most that anyone could gain in the true game.
    """

    kind: str
    play: list[str]
    payoffs: str
    regret: str
    bound: str
    exact: str
    method: str


@dataclass(frozen=True)
class GameView:
    """What the game's section shows. `cells` stand in row-major order of the profiles; `left_out` did not fit."""

    players: list[str]
    strategies: Strategies
    cells: list[Cell]
    left_out: int
    equilibria: list[EquilibriumView]
    complete: str
    best_profile: list[str]
    sinks: list[str]

    def rows(self) -> list[tuple[str, list[Cell]]]:
        """The two-player table: (the first player's strategy, one cell for each of the second's)."""
        width = len(self.strategies[1])
        starts = range(0, len(self.cells), width)
        return [(self.strategies[0][start // width], self.cells[start : start + width]) for start in starts]


COMPLETE = {
    "yes": "The list is complete, save for mixtures of equilibria that share a strategy",
    "no": "The game has others",
    "unknown": "Whether there are others is unknown",
}


def game_view(analysis: Mapping[str, Any]) -> GameView:
    """Arrange analysis.json."""
    game, strategies = analysis["game"], analysis["game"]["strategies"]
    cells = _cells(analysis)
    width = len(strategies[1]) if len(strategies) == 2 else 1
    kept = cells[: max(1, MOST_PROFILES // width) * width]
    equilibria = [_pure(analysis, place) for place in range(len(analysis["pure"]))]
    equilibria += [_mixed(record, strategies) for record in analysis["mixed"]]
    return GameView(
        players=game["players"],
        strategies=strategies,
        cells=kept,
        left_out=len(cells) - len(kept),
        equilibria=equilibria,
        complete=f"{COMPLETE[analysis['complete']]}: {analysis['completeness']}.",
        best_profile=profile_names(analysis["social_optimum"]["profile"], strategies),
        sinks=_sinks(analysis),
    )


def profile_names(profile: Sequence[int], strategies: Strategies) -> list[str]:
    """Each player's strategy in a profile of indices."""
    return [names[index] for names, index in zip(strategies, profile, strict=True)]


def best_responses(means: np.ndarray) -> np.ndarray:
    """Whether each payoff is its player's highest when the others keep theirs; [players, *strategies].

    NaN stands for a profile that was not played, which is best for nobody and hides nothing.
    """
    known = np.where(np.isnan(means), -np.inf, means)
    best = [table >= table.max(axis=player, keepdims=True) - 1e-12 for player, table in enumerate(known)]
    return np.stack(best) & ~np.isnan(means)


def _cells(analysis: Mapping[str, Any]) -> list[Cell]:
    game = analysis["game"]
    means, errors = (np.asarray(game[name], dtype=float) for name in ("mean", "standard_error"))
    best = best_responses(means)
    pure, learned = {tuple(profile) for profile in analysis["pure"]}, tuple(analysis["learned"]["profile"])
    cells = []
    for profile in np.ndindex(*means.shape[1:]):
        numbers = [
            (
                formats.number(means[player][profile]),
                formats.number(errors[player][profile]),
                bool(best[player][profile]),
            )
            for player in range(len(means))
        ]
        played = not np.isnan(means[0][profile])
        names = profile_names(profile, game["strategies"])
        cells.append(Cell(names, numbers, played, profile in pure, profile == learned))
    return cells


def _pure(analysis: Mapping[str, Any], place: int) -> EquilibriumView:
    profile, bounds = analysis["pure"][place], analysis.get("pure_epsilon")
    payoffs = [np.asarray(table, dtype=float)[tuple(profile)] for table in analysis["game"]["mean"]]
    return EquilibriumView(
        kind="pure",
        play=profile_names(profile, analysis["game"]["strategies"]),
        payoffs=", ".join(formats.number(value) for value in payoffs),
        regret="0",
        bound=_bound(bounds[place] if bounds else None),
        exact="yes",
        method="comparing all switches",
    )


def _mixed(record: Mapping[str, Any], strategies: Strategies) -> EquilibriumView:
    play = []
    for names, chances in zip(strategies, record["profile"], strict=True):
        drawn = sorted(zip(chances, names, strict=True), key=lambda pair: -pair[0])
        shares = [f"{name} {formats.percent(chance)}" for chance, name in drawn if chance > 1e-9]
        play.append(", ".join(shares) if len(shares) > 1 else drawn[0][1])
    return EquilibriumView(
        kind="mixed",
        play=play,
        payoffs=", ".join(formats.number(value) for value in record["payoffs"]),
        regret=_regret(record["regret"]),
        bound=_bound(record.get("epsilon")),
        exact="yes" if record["exact"] else "to rounding",
        method=str(record["method"]),
    )


def _regret(regret: float) -> str:
    if regret == 0:
        return "0"
    return "< 10⁻⁶" if regret < 1e-6 else formats.number(regret, 2 if regret >= 0.005 else 6)


def _bound(epsilon: float | None) -> str:
    return formats.ABSENT if epsilon is None else f"≤ {formats.number(epsilon)}"


def _sinks(analysis: Mapping[str, Any]) -> list[str]:
    """Each sink in words; of a large one the first profiles and its size."""
    profiles = {node["id"]: node["profile"] for node in analysis["response_graph"]["nodes"]}
    words = []
    for sink in analysis["sinks"]:
        held = [profile_names(profiles[node], analysis["game"]["strategies"]) for node in sink[:4]]
        more = f" and {len(sink) - 4} more" if len(sink) > 4 else ""
        words.append(" ↔ ".join("(" + ", ".join(names) + ")" for names in held) + more)
    return words
