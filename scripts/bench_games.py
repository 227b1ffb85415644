"""Solvers of `marl.games` against nashpy, quantecon and Gambit, where they are installed, and against bare HiGHS.

    OPENBLAS_NUM_THREADS=1 python scripts/bench_games.py [--rounds 5] [--only all one correlated ...] [--json FILE]

    all         all equilibria of random 5x5, 8x8 and 10x10 games with payoffs 0 to 999: ours exactly, Gambit's rational
                and floating enumeration, nashpy's and quantecon's vertex enumeration
    one         one equilibrium of random 200x200 games without a pure one: ours and Gambit's Lemke-Howson, iterated
                polymatrix approximation and logit path
    correlated  the correlated equilibrium with most welfare of random 5x5x5 and 4x4x4x4 games: ours from the payoffs
                on, and HiGHS alone on the finished program
    players     all equilibria of random 3x3x3 and 2x2x2x2 games, proved complete; Gambit's enumpoly
    trees       game trees of 131,071 nodes, read from and written to the text of an .efg file
    import      CPU seconds of `import marl.games`, each time in a new process

Every round draws a new game, the same for all ways, whose order rotates. Times are CPU seconds, garbage collection off;
rivals that take longer than `--limit` seconds of the clock are stopped and said to be. How many equilibria each way
found stands beside its time: on these games (not degenerate) all should find the same. A ratio is the median of the
rounds' own ratios, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import multiprocessing
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from marl.games import (
    NormalFormGame,
    correlated_equilibrium,
    extreme_equilibria,
    mixed_equilibria,
    one_equilibrium,
    pure_equilibria,
)
from marl.games.correlated import deviation_gains
from marl.games.extensive import Chance, Decision, ExtensiveGame, Node, Terminal
from marl.games.files.efg import format_efg, parse_efg
from marl.games.files.nfg import format_nfg

Way = Callable[[np.ndarray], Callable[[], int]]
"""Gets the payoffs ready, and returns the call to be timed, which says how many equilibria it found."""

LIBRARIES = ("numpy", "scipy", "nashpy", "quantecon", "pygambit")


def ours_all(payoffs: np.ndarray) -> Callable[[], int]:
    return lambda: len(extreme_equilibria(NormalFormGame(payoffs)).equilibria)


def ours_one(payoffs: np.ndarray) -> Callable[[], int]:
    return lambda: int(float(one_equilibrium(NormalFormGame(payoffs)).regret) < 1e-9)


def ours_players(payoffs: np.ndarray) -> Callable[[], int]:
    def call() -> int:
        found = mixed_equilibria(NormalFormGame(payoffs))
        return len(found.equilibria) if found.complete == "yes" else -1

    return call


def ours_correlated(payoffs: np.ndarray) -> Callable[[], int]:
    return lambda: int(float(correlated_equilibrium(NormalFormGame(payoffs)).regret) < 1e-9)


def bare_highs(payoffs: np.ndarray) -> Callable[[], int]:
    """scipy's HiGHS on the program that stands ready as sparse matrices."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    gains = csr_array(deviation_gains(payoffs, coarse=False))
    total, welfare = np.ones((1, gains.shape[1])), -payoffs.sum(axis=0).ravel()
    zeros = np.zeros(gains.shape[0])
    return lambda: int(linprog(welfare, gains, zeros, total, [1.0], method="highs").status == 0)


def nashpy_all(payoffs: np.ndarray) -> Callable[[], int]:
    import nashpy

    game = nashpy.Game(*payoffs)
    return lambda: len(list(game.vertex_enumeration()))


def quantecon_all(payoffs: np.ndarray) -> Callable[[], int]:
    from quantecon import game_theory

    players = [game_theory.Player(payoffs[0]), game_theory.Player(np.ascontiguousarray(payoffs[1].T))]
    game = game_theory.NormalFormGame(players)
    return lambda: len(game_theory.vertex_enumeration(game))


def subtree(payoffs: np.ndarray, history: str = "") -> Iterator[Node]:
    """A full binary tree over the ends: chance every third move, otherwise the players in turns, who see all."""
    ends = payoffs.shape[1]
    if ends == 1:
        yield Terminal(tuple(payoffs[:, 0].tolist()))
        return
    move, halves = len(history), (Fraction(1, 2),) * 2
    yield Chance(("l", "r"), halves) if move % 3 == 2 else Decision(move % 3, history, ("l", "r"))
    yield from subtree(payoffs[:, : ends // 2], history + "l")
    yield from subtree(payoffs[:, ends // 2 :], history + "r")


def tree_read(payoffs: np.ndarray) -> Callable[[], int]:
    text = format_efg(ExtensiveGame(("one", "two"), list(subtree(payoffs))))
    return lambda: len(parse_efg(text).nodes)


def tree_written(payoffs: np.ndarray) -> Callable[[], int]:
    game = ExtensiveGame(("one", "two"), list(subtree(payoffs)))
    return lambda: format_efg(game).count("\n") - 3  # nodes, a line each, after three lines about the game


def gambit(method: str, **options: Any) -> Way:
    def ready(payoffs: np.ndarray) -> Callable[[], int]:
        import pygambit

        game = pygambit.read_nfg(io.StringIO(format_nfg(NormalFormGame(payoffs))))
        return lambda: len(getattr(pygambit.nash, method)(game, **options).equilibria)

    return ready


def gambit_one(method: str) -> Way:
    """Gambit's paths to a single equilibrium; found are those with a regret of at most 1e-6."""

    def ready(payoffs: np.ndarray) -> Callable[[], int]:
        import pygambit

        game = pygambit.read_nfg(io.StringIO(format_nfg(NormalFormGame(payoffs))))
        return lambda: int(getattr(pygambit.nash, method)(game).equilibrium.max_regret() < 1e-6)

    return ready


def whole(*shape: int) -> Callable[[int], np.ndarray]:
    """Games with payoffs 0 to 999."""
    return lambda seed: np.random.default_rng(seed).integers(0, 1000, (len(shape), *shape))


def ends(seed: int) -> np.ndarray:
    """Payoffs 0 to 999 at the ends of a tree."""
    return np.random.default_rng(seed).integers(0, 1000, (2, 2**16))


def normal(*shape: int) -> Callable[[int], np.ndarray]:
    return lambda seed: np.random.default_rng(seed).normal(size=(len(shape), *shape))


def mixing(*shape: int) -> Callable[[int], np.ndarray]:
    """Games without a pure equilibrium, which would be found at a glance."""

    def draw(seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        while pure_equilibria(NormalFormGame(payoffs := rng.normal(size=(len(shape), *shape)))):
            pass
        return payoffs

    return draw


ENUMERATIONS: dict[str, Way] = {
    "ours": ours_all,
    "nashpy": nashpy_all,
    "quantecon": quantecon_all,
    "Gambit rational": gambit("enummixed_solve", rational=True),
    "Gambit floating": gambit("enummixed_solve", rational=False),
}
CASES: dict[str, list[tuple[str, Callable[[int], np.ndarray], dict[str, Way]]]] = {
    "all": [(f"{n}x{n}", whole(n, n), ENUMERATIONS) for n in (5, 8, 10)],
    "one": [
        (
            "200x200",
            mixing(200, 200),
            {
                "ours": ours_one,
                "Gambit lcp": gambit("lcp_solve", rational=False, stop_after=1),
                "Gambit ipa": gambit_one("ipa_solve"),
                "Gambit logit": gambit_one("logit_solve"),
            },
        )
    ],
    "correlated": [
        (name, normal(*shape), {"ours": ours_correlated, "HiGHS alone": bare_highs})
        for name, shape in (("5x5x5", (5, 5, 5)), ("4x4x4x4", (4, 4, 4, 4)))
    ],
    "trees": [
        (
            "131,071 nodes",
            ends,
            {"ours reading": tree_read, "ours writing": tree_written},
        )
    ],
    "players": [
        (name, whole(*shape), {"ours": ours_players, "Gambit enumpoly": gambit("enumpoly_solve")})
        for name, shape in (("3x3x3", (3, 3, 3)), ("2x2x2x2", (2, 2, 2, 2)))
    ],
}


def serve(connection: Any, way: Way) -> None:
    """In a process of its own: time the way on each of the payoffs that come; (seconds, found) goes back."""
    while True:
        payoffs = connection.recv()
        try:
            call = way(payoffs)
        except ImportError:
            connection.send(None)
            return
        gc.collect()
        gc.disable()
        start = time.process_time()
        found = call()
        connection.send((time.process_time() - start, found))
        gc.enable()


class Server:
    """One way in its process, which is killed and not asked again once it takes too long."""

    def __init__(self, way: Way, name: str, limit: float) -> None:
        context = multiprocessing.get_context("fork")
        self.name, self.limit, self.over = name, limit, ""
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, way), daemon=True)
        self.process.start()
        self.seconds: list[float] = []
        self.found: list[int] = []

    def ask(self, payoffs: np.ndarray, keep: bool) -> None:
        """Time the way on one game, unless it was too slow before; the first answer is for warming up."""
        if self.over:
            return
        self.pipe.send(payoffs)
        if not self.pipe.poll(self.limit):
            self.over = f"over {self.limit:g} s"
            self.process.kill()
            return
        answer = self.pipe.recv()
        if answer is None:
            self.over = "not installed"
        elif keep:
            self.seconds.append(answer[0])
            self.found.append(answer[1])


def measure(draw: Callable[[int], np.ndarray], ways: dict[str, Way], rounds: int, limit: float) -> dict[str, Any]:
    """Each way's times and counts, its median and how many times longer than the first way it took."""
    servers = [Server(way, name, limit) for name, way in ways.items()]
    for number in range(rounds + 1):
        payoffs = draw(number)
        turn = number % len(servers)
        for server in servers[turn:] + servers[:turn]:
            server.ask(payoffs, keep=number > 0)
    first = servers[0]
    result = {}
    for server in servers:
        server.process.kill()
        ratios = [b / a for a, b in zip(first.seconds, server.seconds, strict=False)]
        result[server.name] = {
            "cpu_seconds": server.seconds,
            "found": server.found,
            "median": statistics.median(server.seconds) if server.seconds else None,
            "over_first": {"median": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
            if ratios
            else None,
            "note": server.over,
        }
    return result


def show(title: str, result: dict[str, Any]) -> None:
    print(f"\n{title}")
    for name, held in result.items():
        median, over = held["median"], held["over_first"]
        time_ = "-" if median is None else f"{median:.4f}"
        ratio = "-" if over is None else "{median:.2f} [{low:.2f}, {high:.2f}]".format(**over)
        print(f"  {name:18} {time_:>10} s  {ratio:>26} x the first   found {held['found']} {held['note']}", flush=True)


def import_seconds(rounds: int) -> list[float]:
    code = "import time; start = time.process_time(); import marl.games; print(time.process_time() - start)"
    runs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(rounds)
    ]
    return [float(done.stdout) for done in runs]


def versions() -> dict[str, str]:
    held = {}
    for name in LIBRARIES:
        try:
            held[name] = version(name)
        except PackageNotFoundError:
            held[name] = "not installed"
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="timed rounds after one of warm-up (5)")
    parser.add_argument("--limit", type=float, default=60, help="seconds that a way may take for one game (60)")
    parser.add_argument("--only", nargs="+", choices=[*CASES, "import"], default=[*CASES, "import"])
    parser.add_argument("--json", type=Path, help="write all times to this file, too")
    given = parser.parse_args()
    result: dict[str, Any] = {"versions": versions()}
    for part in given.only:
        if part == "import":
            result["import"] = import_seconds(given.rounds)
            low, median, high = (f(result["import"]) for f in (min, statistics.median, max))
            print(f"\nimport marl.games: {median:.2f} s [{low:.2f}, {high:.2f}]")
            continue
        for name, draw, ways in CASES[part]:
            result[f"{part} {name}"] = measure(draw, ways, given.rounds, given.limit)
            show(f"{part} {name}", result[f"{part} {name}"])
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
