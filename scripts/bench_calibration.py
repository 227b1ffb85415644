"""How often the intervals of an empirical game's regrets cover, and how often a support that is said to be right is.

    OMP_NUM_THREADS=1 python scripts/bench_calibration.py [--only support coverage] [--simulations N] [--json FILE]

Coverage: games whose equilibrium is known are played with noise, and the 95 % intervals of `profile_regret` at that
equilibrium cover where every player's begins at 0, its true regret. Beside them, from the same episodes, the percentile
bootstrap of every player's regret, which at a mixed equilibrium never covers: the largest of several noisy gains is
above 0 in every resample. Noise: normal; a coin (each payoff is the game's least or most, half a unit beyond); a skewed
one (exponential); one of which half is shared by all profiles of an episode, which pairs them.
Support: random games, what `support_probabilities` says of each reported equilibrium, and the share that is right: the
mean gap between the two and what it is in each fifth of what was said. The slow test in `tests/games/test_support.py`
measures the same with this code and the same games.
Without `--simulations`: 1,000 a row, and 2,000 where games are 2 x 2. Intervals of shares are Wilson's.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from marl.evaluation.statistics import success_interval
from marl.games import EmpiricalGame, NormalFormGame, mixed_equilibria
from marl.games.posterior import drawn_gains
from marl.games.regret import Distributions, profile_regret
from marl.games.support import support_probabilities

RESAMPLES = 299
DRAWS = 400
"""Games drawn from the posterior of each simulated one."""
FEWEST = 100
RPS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
BOS = np.array([[2.0, 0.0], [0.0, 1.0]])
GAMES: dict[str, tuple[np.ndarray, Distributions]] = {
    "matching pennies": (np.array([[[1.0, -1], [-1, 1]], [[-1, 1], [1, -1]]]), ((0.5, 0.5), (0.5, 0.5))),
    "rock, paper, scissors": (np.array([RPS, -RPS]), ((1 / 3,) * 3, (1 / 3,) * 3)),
    "battle of the sexes, mixed": (np.array([BOS, BOS[::-1, ::-1]]), ((2 / 3, 1 / 3), (1 / 3, 2 / 3))),
    "two equal policies": (np.zeros((2, 3, 3)), ((1.0, 0.0, 0.0), (1.0, 0.0, 0.0))),
}


def normal(payoffs: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
    """Payoffs [episodes, players, *strategies] with independent noise of spread 1."""
    return payoffs + rng.standard_normal((episodes, *payoffs.shape))


def coin(payoffs: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
    """Each payoff is the least or the most of the game, at the odds that give its mean; a flat game's is +-1."""
    low, high = (payoffs.min() - 0.5, payoffs.max() + 0.5) if np.ptp(payoffs) else (-1.0, 1.0)
    return low + (high - low) * (rng.random((episodes, *payoffs.shape)) < (payoffs - low) / (high - low))


def skewed(payoffs: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
    """Exponential noise of spread 1, centered."""
    return payoffs + rng.exponential(1.0, (episodes, *payoffs.shape)) - 1.0


def shared(payoffs: np.ndarray, episodes: int, rng: np.random.Generator) -> np.ndarray:
    """Half of the noise is the same in all profiles of an episode."""
    return normal(payoffs, episodes, rng) + rng.standard_normal((episodes, *([1] * payoffs.ndim)))


CASES = [
    *(((2, 2), 20, error) for error in (0.1, 0.45, 0.6, 1.0)),
    ((2, 2), 8, 0.35),
    *(((3, 3), 20, error) for error in (0.1, 0.45, 0.6, 1.0)),
    *(((2, 2, 2), 20, error) for error in (0.1, 0.6, 1.0)),
]
"""Random games of which shape, episodes a profile, and the standard error of a payoff beside the payoffs' spread."""

NOISES: dict[str, Callable[..., np.ndarray]] = {"normal": normal, "coin": coin, "skewed": skewed, "shared": shared}


def empirical(drawn: np.ndarray, paired: bool = True) -> EmpiricalGame:
    """The game of payoffs [episodes, players, *strategies], paired by episode or not."""
    samples = {place: drawn[(slice(None), slice(None), *place)] for place in np.ndindex(*drawn.shape[2:])}
    strategies = {f"player_{p}": [f"s{s}" for s in range(size)] for p, size in enumerate(drawn.shape[2:])}
    return EmpiricalGame.from_samples(strategies, samples, paired=paired)


def played(payoffs: np.ndarray, episodes: int, noise: float, rng: np.random.Generator) -> EmpiricalGame:
    """The game of payoffs [players, *strategies] with independent normal noise in every episode, unpaired."""
    players, *shape = payoffs.shape
    errors = rng.standard_normal((*shape, episodes, players))
    return empirical(payoffs + noise * np.moveaxis(errors, (-2, -1), (0, 1)), paired=False)


def gains(means: np.ndarray, profile: Distributions) -> np.ndarray:
    """What each player's best switch gains [..., 2] in two-player games of mean payoffs [..., 2, rows, columns]."""
    x, y = (np.array(own) for own in profile)
    rows = means[..., 0, :, :] @ y
    columns = np.einsum("...rc,r->...c", means[..., 1, :, :], x)
    return np.stack([rows.max(-1) - rows @ x, columns.max(-1) - columns @ y], -1)


def bootstrap_covers(drawn: np.ndarray, profile: Distributions, rng: np.random.Generator) -> bool:
    """Whether the percentile bootstrap's 95 % intervals of both regrets begin at 0; episodes are resampled."""
    episodes = len(drawn)
    picks = rng.multinomial(episodes, np.full(episodes, 1 / episodes), RESAMPLES) / episodes
    means = np.tensordot(picks, drawn, 1)
    return bool((np.quantile(gains(means, profile), 0.025, axis=0) <= 1e-12).all())


def coverage(simulations: int) -> list[dict[str, Any]]:
    """One row a game, noise and number of episodes."""
    rows = []
    for name, (payoffs, profile) in GAMES.items():
        for noise, draw in NOISES.items():
            for episodes in (10, 30):
                rng = np.random.default_rng(0)
                ours = control = 0
                for _ in range(simulations):
                    drawn = draw(payoffs, episodes, rng)
                    found = profile_regret(empirical(drawn), profile, confidence=0.95, rng=rng)
                    ours += all(own.low == 0.0 for own in found.players)
                    control += bootstrap_covers(drawn, profile, rng)
                row = {"game": name, "noise": noise, "episodes": episodes}
                for side, count in (("ours", ours), ("bootstrap", control)):
                    share = success_interval(count, simulations, confidence=0.95)
                    row[side] = [share.mean, share.low, share.high]
                rows.append(row)
                print(
                    f"| {name} | {noise} | {episodes} | {shown(row['ours'])} | {shown(row['bootstrap'])} |", flush=True
                )
    return rows


def shown(share: list[float]) -> str:
    """ "0.951 [0.936, 0.963]"."""
    return "{:.3f} [{:.3f}, {:.3f}]".format(*share)


def judged(
    simulations: int, shape: tuple[int, ...], episodes: int, error: float, seed: int = 4
) -> list[tuple[float, bool]]:
    """(probability, right) of every equilibrium reported in random games, whose payoffs have spread 1 around 0 and are
    known with a standard error of `error`.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(simulations):
        truth = rng.standard_normal((len(shape), *shape))
        right = {one.support for one in mixed_equilibria(NormalFormGame(truth)).equilibria}
        game = played(truth, episodes, error * math.sqrt(episodes), rng)
        reported = [one.support for one in mixed_equilibria(game.to_normal_form()).equilibria]
        chances = support_probabilities(game, reported, drawn_gains(game, rng=rng, draws=DRAWS), rng=rng)
        found += [(p, support in right) for p, support in zip(chances, reported, strict=True) if p is not None]
    return found


def calibration(found: Sequence[tuple[float, bool]], bins: int = 5) -> dict[str, Any]:
    """Over equal ranges of probability: the mean gap between what is said and the share that is right, weighted by
    equilibria (Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015); the largest gap
    of any range less two of its standard errors; and each range that has any.
    """
    chances, right = np.array(found, dtype=float).T
    number = np.minimum((chances * bins).astype(int), bins - 1)
    mean, largest, ranges = 0.0, 0.0, []
    for each in sorted(set(number.tolist())):
        members = number == each
        said, share, count = float(chances[members].mean()), float(right[members].mean()), int(members.sum())
        mean += abs(said - share) * count / len(found)
        largest = max(largest, abs(said - share) - 2 * math.sqrt(said * (1 - said) / count))
        interval = success_interval(int(right[members].sum()), count, confidence=0.95)
        around = [interval.low, interval.high]
        row = {"from": each / bins, "to": (each + 1) / bins, "reported": count, "said": said, "right": share}
        ranges.append(row | {"interval": around})
    return {"mean_gap": mean, "largest_beyond_chance": largest, "fifths": ranges}


def usual(shape: tuple[int, ...]) -> int:
    """Simulated games of a shape: small ones report little each."""
    return 2_000 if shape == (2, 2) else 1_000


def support(simulations: int | None) -> list[dict[str, Any]]:
    """One row a case; fifths with fewer than FEWEST equilibria are not printed."""
    rows = []
    for shape, episodes, error in CASES:
        found = calibration(judged(simulations or usual(shape), shape, episodes, error))
        rows.append({"shape": shape, "episodes": episodes, "error": error, **found})
        cells = {
            round(5 * one["from"]): f"{one['said']:.3f} / {one['right']:.3f} ({one['reported']})"
            for one in found["fifths"]
            if one["reported"] >= FEWEST
        }
        parts = [f"{' x '.join(map(str, shape))}, {episodes} episodes", error, f"{found['mean_gap']:.3f}"]
        print("|", " | ".join(map(str, [*parts, *(cells.get(k, "") for k in range(5))])), "|", flush=True)
    return rows


HEADINGS = {
    "support": "| case | standard error | mean gap | 0 to 0.2 | 0.2 to 0.4 | 0.4 to 0.6 | 0.6 to 0.8 | 0.8 to 1 |\n"
    "|---|---|---|---|---|---|---|---|",
    "coverage": "| game | noise | episodes | covered | percentile bootstrap |\n|---|---|---|---|---|",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(HEADINGS), default=list(HEADINGS), help="which parts")
    parser.add_argument("--simulations", type=int, help="games a row, whatever their shape")
    parser.add_argument("--json", help="a file for the same as numbers")
    given = parser.parse_args()
    record: dict[str, Any] = {"simulations": given.simulations}
    for part in given.only:
        print(HEADINGS[part], flush=True)
        record[part] = support(given.simulations) if part == "support" else coverage(given.simulations or 1_000)
        if given.json:  # after each part, so that a stop loses only the one at hand
            with open(given.json, "w") as file:
                json.dump(record, file, indent=1)


if __name__ == "__main__":
    main()
