"""What training costs: beside plain torch, stock RLlib, TRL and CoMLRL, with env runners, and where its time goes.

    python scripts/bench_training.py [--only plain sampling rivals runners share] [--rounds 7] [--seeds 3] [--json FILE]

| part | question | bar | module |
|---|---|---|---|
| `plain` | CPU time of an iteration after sampling, over a plain-torch PPO loop's | <= 1.3 | bench_training_plain |
| `sampling` | agent turns a CPU second, times stock RLlib's `MultiAgentEnvRunner`'s | >= 3 | bench_training_sampling |
| `rivals` | CPU time to a target reward: TRL's and CoMLRL's over ours | >= 3 | bench_training_rivals |
| `runners` | turns a second with two env runners, times those with none | >= 1.7 | bench_training_runners |
| `share` | share of an iteration outside forward, backward, optimizer | none | bench_training_share |

Each module's docstring says what is compared and all that differs; answers are compared before anything is timed.
Ratios are medians over rounds (seeds, for `rivals`) with the lowest and the highest in brackets. Every process has one
torch thread. All but `runners` measure CPU time or shares, which a busy machine hardly moves; `runners` needs two free
cores. `sampling` needs the extra `mpe`, `rivals` the extra `bench`: pip install "parley-marl[mpe,bench]".
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from bench_timing import arguments, write

PARTS = ("plain", "sampling", "rivals", "runners", "share")


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=3, help="of `rivals`, and runs of `share` (3)")
    parser.add_argument("--scenario", default="scout_hunt", help="of `share`")
    parser.add_argument("--iterations", type=int, default=12, help="of a run of `share` (12)")
    given = parser.parse_args()
    results: dict[str, list[dict[str, Any]]] = {}
    for part in given.only:
        measure: Callable[..., list[dict[str, Any]]] = import_module(f"bench_training_{part}").measure
        counts = {"rivals": (given.seeds,), "share": (given.scenario, given.iterations, given.seeds)}
        results[part] = measure(*counts.get(part, (given.rounds,)))
        write(given.json, results)


if __name__ == "__main__":
    main()
