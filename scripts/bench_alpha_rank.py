"""Alpha-rank against open_spiel's, in the same process.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_alpha_rank.py [--rounds 7] [--only one/200 ...] [--json FILE]

Games with payoffs drawn uniformly from [0, 1], anew for every round: one population over S strategies, and two
populations over S strategies each (S * S profiles). Both get the game in their own form (ours built, theirs an array)
and the defaults that they share: population 50, local selection, and alpha 100 for one population. Two populations get
alpha 1, because at 100 open_spiel raises on most of these games. Masses are compared before anything is timed.
open_spiel imports matplotlib for pictures that are not drawn here; where it is missing they are left out.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from bench_timing import arguments, check_equal, interleave, ratio, table

from marl.games import NormalFormGame
from marl.games.alpha_rank import alpha_rank
from marl.games.symmetric import SymmetricGame

ALPHA = {"one": 100.0, "two": 1.0}
SETTINGS = ("one/20", "one/100", "one/200", "two/5", "two/10")
PICTURES = "open_spiel.python.egt.alpharank_visualizer"


def draw(kind: str, size: int, seed: int) -> dict[str, Any]:
    """The same game in both forms."""
    rng = np.random.default_rng(seed)
    if kind == "one":
        matrix = rng.random((size, size))
        return {"alpha": ALPHA[kind], "parley": SymmetricGame.from_matrix(matrix), "open_spiel": [matrix]}
    tensors = rng.random((2, size, size))
    return {"alpha": ALPHA[kind], "parley": NormalFormGame(tensors), "open_spiel": list(tensors)}


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=SETTINGS, default=SETTINGS)
    given = parser.parse_args()
    if find_spec("matplotlib") is None:
        sys.modules[PICTURES] = ModuleType(PICTURES)
    rival = import_module("open_spiel.python.egt.alpharank")
    ways = {
        "parley": lambda game: alpha_rank(game["parley"], game["alpha"]).masses,
        "open_spiel": lambda game: rival.compute(game["open_spiel"], alpha=game["alpha"])[2],
    }
    rows, parts = [], []
    for setting in given.only:
        kind, size = setting.split("/")
        game = draw(kind, int(size), 10**6)
        check_equal(setting, ways["parley"](game).ravel(), ways["open_spiel"](game))
        times = interleave(ways, lambda number, kind=kind, size=int(size): draw(kind, size, number), given.rounds)
        faster = ratio(times, "open_spiel", "parley")
        medians = [f"{1000 * float(np.median(times[name])):.2f}" for name in ways]
        rows.append([setting, *medians, faster])
        parts.append({"setting": setting, "cpu_seconds": times, "times_faster": vars(faster)})
    table("alpha-rank", ["populations/strategies", "parley ms", "open_spiel ms", "times faster"], rows)
    if given.json:
        versions = {name: version(name) for name in ("numpy", "scipy", "open_spiel")}
        given.json.write_text(json.dumps({"versions": versions, "alpha_rank": parts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
