"""What PSRO keeps in a run directory, each piece whole or not there, so that a run goes on from a kill at any point."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from marl.errors import StoreError
from marl.evaluation.tournament import Profile
from marl.games import EmpiricalGame
from marl.games.meta_solver import MetaStrategy
from marl.store import RunDirectory, write_atomically

PAYOFFS = "payoffs.jsonl"


class Record:
    """RUN/payoffs.jsonl, a line a profile; RUN/meta_strategies/NUMBER.json and RUN/metrics.jsonl, one an iteration.

    `samples` holds, by profile of member numbers (one an agent), each agent's payoff by the episode's number.
    """

    def __init__(self, path: str | Path, agents: Sequence[str]) -> None:
        self.store = RunDirectory(path)
        self.agents = tuple(agents)
        self.samples: dict[Profile, dict[int, list[float]]] = {}
        self._file = self.store.path / PAYOFFS
        self._read()

    def _read(self) -> None:
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
        whole: list[str] = []
        for number, line in enumerate(lines, start=1):
            try:
                row = json.loads(line)
                profile = tuple(row["members"][agent] for agent in self.agents)
                self.samples[profile] = dict(zip(row["episodes"], row["payoffs"], strict=True))
                whole.append(line)
            except (ValueError, KeyError, TypeError) as error:
                if number < len(lines):
                    raise StoreError(
                        f"{str(self._file)!r} line {number} is no payoff sample ({error}); delete the line, and the "
                        "profile is played again"
                    ) from error
        if len(whole) < len(lines):  # the last line was cut short by a kill
            write_atomically(self._file, "".join(line + "\n" for line in whole))

    def keep_samples(self, profile: Profile, payoffs: Mapping[int, Sequence[float]]) -> None:
        """Add a profile's payoffs by episode number, and write them."""
        row = {
            "members": dict(zip(self.agents, profile, strict=True)),
            "episodes": list(payoffs),
            "payoffs": [list(own) for own in payoffs.values()],
        }
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.samples[profile] = {episode: list(own) for episode, own in payoffs.items()}

    def game(self, sizes: Sequence[int]) -> EmpiricalGame:
        """The empirical game among the first `sizes` members of each agent; profiles not yet played are missing."""
        within = {p: own for p, own in self.samples.items() if all(k < n for k, n in zip(p, sizes, strict=True))}
        names = [[f"member {k}" for k in range(size)] for size in sizes]
        return EmpiricalGame.from_episodes(dict(zip(self.agents, names, strict=True)), within)

    def keep_meta(self, iteration: int, meta: MetaStrategy) -> None:
        """Write the meta-strategy of an iteration."""
        self.store.write_json(f"meta_strategies/{iteration:03d}.json", self.described(meta))

    def meta(self, iteration: int) -> MetaStrategy:
        """The meta-strategy of an iteration as it was written."""
        kept = self.store.read_json(f"meta_strategies/{iteration:03d}.json")
        joint = np.zeros([len(kept["marginals"][agent]) for agent in self.agents])
        for one in kept["played"]:
            joint[tuple(one["members"])] = one["probability"]
        return MetaStrategy(joint, kept["method"])

    def described(self, meta: MetaStrategy) -> dict[str, Any]:
        """A meta-strategy as plain data: how often each agent plays each member, and the profiles' probabilities."""
        played = [tuple(int(k) for k in place) for place in zip(*meta.joint.nonzero(), strict=True)]
        return {
            "method": meta.method,
            "marginals": {agent: meta.marginal(player).tolist() for player, agent in enumerate(self.agents)},
            "played": [{"members": list(p), "probability": float(meta.joint[p])} for p in played],
        }

    def rows(self) -> list[dict[str, Any]]:
        """The finished iterations; a last one cut short by a kill is left out, in the file too."""
        rows = self.store.metrics()
        self.store.replace_metrics(rows)
        return rows
