"""Mixed games: which equilibrium each seed reached with talk, without it and before training, beside the analysis.

`python scripts/bench_mixed.py RUN ... [--json FILE]`: runs that `marl run` made, one a seed; those of one scenario
make a table. A row is an arm. Shares of moves are those of all agents; the interval is Student's over the seeds, cut
to [0, 1]. A seed's equilibrium is the one that the game's `reference()` states and whose payoffs the arm reached
("none" where it fits none, "?" where it fits several). The last lines say what `marl analyze` found in the games.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from marl.store import RunDirectory


def share(arm: Mapping[str, Any], move: str) -> float:
    """The mean over agents of how often they play `move`."""
    return float(np.mean([own.get(move, {"mean": 0.0})["mean"] for own in arm["moves"].values() if own]))


def interval(values: Sequence[float], low: float = -np.inf, high: float = np.inf) -> list[float]:
    """Mean and Student's 95 % interval over seeds, cut to [low, high]; no width is known of one seed."""
    mean = float(np.mean(values))
    error = float(stats.sem(values)) if len(values) > 1 else np.nan
    half = 0.0 if error == 0.0 else float(stats.t.ppf(0.975, len(values) - 1)) * error
    return [mean, max(low, mean - half), min(high, mean + half)]


def reached(arm: Mapping[str, Any]) -> str:
    """The name of the stated equilibrium that the arm's payoffs fit."""
    found = arm["equilibrium"]
    if found is None or not (found["matched"] or found["ambiguous"]):
        return "none"
    return str(found["name"]) if found["matched"] else "?"


def counted(names: Sequence[str]) -> str:
    """ "hare 2, none 1"."""
    return ", ".join(f"{name} {count}" for name, count in Counter(names).most_common())


def rows(runs: Sequence[RunDirectory]) -> list[dict[str, Any]]:
    """One record an arm of the runs of one scenario."""
    evaluations = [run.read_json("evaluation.json") for run in runs]
    moves = sorted({move for e in evaluations for own in e["arms"]["normal"]["moves"].values() for move in own})
    found = []
    for name in evaluations[0]["arms"]:
        arms = [e["arms"][name] for e in evaluations if name in e["arms"]]
        found.append(
            {
                "arm": arms[0]["label"],
                "seeds": len(arms),
                "payoff": interval([arm["mean"] for arm in arms]),
                "moves": {move: interval([share(arm, move) for arm in arms], 0.0, 1.0) for move in moves},
                "reached": [reached(arm) for arm in arms],
            }
        )
    return found


def analyzed(runs: Sequence[RunDirectory]) -> list[dict[str, Any]]:
    """For each seed, the equilibria of the game that was played, and how far the learned profile is from one."""
    found = []
    for run in runs:
        analysis = run.read_json("analysis.json")
        names = analysis["game"]["strategies"]
        pure = [[own[s] for own, s in zip(names, profile, strict=True)] for profile in analysis["pure"]]
        found.append({"pure": pure, "mixed": len(analysis["mixed"]), "nash_conv": analysis["learned"]["nash_conv"]})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--json", help="a file for the same as numbers")
    arguments = parser.parse_args()
    scenarios: dict[str, list[RunDirectory]] = {}
    for run in map(RunDirectory, arguments.runs):
        scenarios.setdefault(run.scenario().name, []).append(run)
    record = {}
    for scenario, runs in scenarios.items():
        record[scenario] = {"arms": rows(runs), "analysis": analyzed(runs)}
        moves = list(record[scenario]["arms"][0]["moves"])
        print(f"\n{scenario}, {len(runs)} seeds\n")
        print(f"| arm | payoff | {' | '.join(moves)} | equilibrium reached, seeds |")
        print("|---" * (len(moves) + 3) + "|")
        for row in record[scenario]["arms"]:
            shares = [f"{m:.0%} [{low:.0%}, {high:.0%}]" for m, low, high in row["moves"].values()]
            payoff = "{:.2f} [{:.2f}, {:.2f}]".format(*row["payoff"])
            print(f"| {row['arm']} | {payoff} | {' | '.join(shares)} | {counted(row['reached'])} |")
        for run, one in zip(runs, record[scenario]["analysis"], strict=True):
            gain = "{mean:.3f} [{low:.3f}, {high:.3f}]".format(**one["nash_conv"])
            pure = "; ".join(", ".join(profile) for profile in one["pure"]) or "none"
            seed = run.scenario().seed
            print(f"\nseed {seed}: pure equilibria {pure}; mixed {one['mixed']}; NashConv as trained {gain}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(record, file, indent=1)


if __name__ == "__main__":
    main()
