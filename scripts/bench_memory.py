"""How CPU time and peak memory of `choose` and of its training pass grow with prompt length, options and batch.

    python scripts/bench_memory.py [--rounds 5] [--only prompt options batch] [--json FILE]

One axis grows at a time: prompts of 64 to 2048 tokens, 2 to 256 options, batches of 1 to 256; else prompts of 64
tokens, 8 options, batches of 8 (options as in bench_choose). Beside it stands a plain causal forward of just as many
tokens, whose own growth is the network's nature: its attention is quadratic in the prompt. Peak memory is what the
process takes at most above what it held before, measured in a fresh fork for every case after a tiny call; times are
taken in another fork, in turns. The slope is that of a line through log(cost) over log(size): 1 is linear. `end` is
the slope of the last doubling alone, where fixed costs no longer hide the growth.
"""

from __future__ import annotations

import ctypes
import multiprocessing
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from bench_choose import Case, acting_ways, check, draw, training_ways
from bench_timing import Ratio, arguments, interleave, language_model, llama, parameters, ratio, table, write

from marl.models import LanguageModel

AXES = {
    "prompt": [f"{size}/8/8" for size in (64, 128, 256, 512, 1024, 2048)],
    "options": [f"64/{size}/8" for size in (2, 4, 8, 16, 32, 64, 128, 256)],
    "batch": [f"64/8/{size}" for size in (1, 2, 4, 8, 16, 32, 64, 128, 256)],
}
"""Prompt tokens / options / batch of every case."""

SMALL = "16/4/2"
"""The case of the warm-up, and of the check that all ways give the same answer."""

MMAP_THRESHOLD, LARGE_BYTES = -3, 1 << 16
"""glibc's number for the size from which memory is mapped on its own, and that size."""

PLACE = {"prompt": 0, "options": 1, "batch": 2}
PHASES = {"acting": acting_ways, "training": training_ways}


def in_fork(work: Callable[[], Any]) -> Any:
    """What `work` returns in a forked process of its own. Stops the benchmark where that process dies."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=lambda: there.send(work()))
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        process.join()
        raise SystemExit(f"a measuring process died (exit code {process.exitcode})") from None
    finally:
        process.join()


def resident(field: str) -> float:
    """MiB of this process from /proc: "VmRSS" now, "VmHWM" at most since the last reset."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / 1024


def peak(call: Callable[[], Any]) -> float:
    """MiB that one call takes at most above what the process holds before it (Linux with glibc only).

    Freed tensors go back to the system at once, so that what the allocator happens to keep is not counted.
    """
    c_library = ctypes.CDLL(None)
    c_library.mallopt(MMAP_THRESHOLD, LARGE_BYTES)
    c_library.malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    call()
    return resident("VmHWM") - before


def settled_peak(network: torch.nn.Module, way: Callable[[Case], Any], warm_up: Case, case: Case) -> float:
    """MiB that `way` takes for `case` after a tiny case, its gradients included."""
    way(warm_up)
    network.zero_grad(set_to_none=True)
    return peak(lambda: way(case))


def measure(model: LanguageModel, phase: str, scoring: str, setting: str, rounds: int) -> dict[str, Any]:
    """CPU seconds and peak MiB of ours and of the plain forward for one case of a phase."""
    network = llama()
    ways = {name: way for name, way in PHASES[phase](model, network, scoring).items() if name in ("ours", "plain")}

    def take(work: Callable[[], Any]) -> Any:
        with torch.inference_mode(phase == "acting"):
            return in_fork(work)

    cases = draw(SMALL, scoring, 0), draw(setting, scoring, 0)
    networks = {"ours": model.network, "plain": network}
    memory = {name: take(partial(settled_peak, networks[name], way, *cases)) for name, way in ways.items()}
    times = take(lambda: interleave(ways, partial(draw, setting, scoring), rounds))
    return {"phase": phase, "scoring": scoring, "setting": setting, "cpu_seconds": times, "peak_mib": memory}


def slopes(sizes: list[int], costs: list[float]) -> str:
    """Slope of log cost over log size, over all sizes and over the last doubling."""
    x, y = np.log(sizes), np.log(np.maximum(costs, 1e-6))
    return f"{np.polyfit(x, y, 1)[0]:.2f}, end {(y[-1] - y[-2]) / (x[-1] - x[-2]):.2f}"


def show(phase: str, scoring: str, axis: str, results: list[dict[str, Any]]) -> None:
    """Print one axis: its cases, and how everything grows along it."""
    lines, columns = [], {name: [] for name in ("ours s", "plain s", "ours MiB", "plain MiB")}
    sizes = [int(result["setting"].split("/")[PLACE[axis]]) for result in results]
    for size, result in zip(sizes, results, strict=True):
        seconds, memory = result["cpu_seconds"], result["peak_mib"]
        over: Ratio = ratio(seconds, "ours", "plain")
        values = [median(seconds["ours"]), median(seconds["plain"]), memory["ours"], memory["plain"]]
        for column, value in zip(columns.values(), values, strict=True):
            column.append(value)
        lines.append([size, *(f"{v:.3f}" for v in values[:2]), over, *(f"{v:.1f}" for v in values[2:])])
    grown = [slopes(sizes, column) for column in columns.values()]
    lines.append(["slope", *grown[:2], "", *grown[2:]])
    header = [axis, "ours CPU s", "plain CPU s", "time over plain", "ours peak MiB", "plain peak MiB"]
    table(f'{phase}, scoring="{scoring}", over {axis}', header, lines)


def main() -> None:
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--only", nargs="+", default=tuple(AXES), choices=tuple(AXES))
    parser.add_argument("--phases", nargs="+", default=tuple(PHASES), choices=tuple(PHASES))
    parser.add_argument("--scoring", default="step")
    parser.add_argument("--sizes", type=int, help="only the first so many sizes of every axis")
    given = parser.parse_args()
    model = language_model()
    print(f"random Llama of {parameters(model.network) / 1e6:.2f} M parameters; {given.rounds} rounds")
    check(model, draw(SMALL, given.scoring, 1), given.scoring)
    results = []
    for phase in given.phases:
        for axis in given.only:
            settings = AXES[axis][: given.sizes]
            part = [measure(model, phase, given.scoring, setting, given.rounds) for setting in settings]
            show(phase, given.scoring, axis, part)
            results += part
    write(given.json, {"results": results})


if __name__ == "__main__":
    main()
