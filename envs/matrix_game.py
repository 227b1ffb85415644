"""Two-player matrix games, once or repeated: the classics by name, or a bimatrix of one's own.

| game | moves | what it is about |
|---|---|---|
| `prisoners_dilemma` | cooperate, defect | the only equilibrium is worse for both than cooperation |
| `stag_hunt` | stag, hare | the better equilibrium is the riskier one |
| `battle_of_the_sexes` | ballet, fight | both want to meet, each prefers another place |
| `chicken` | yield, dare | whoever yields loses, and worst is that nobody does |
| `matching_pennies` | heads, tails | zero-sum; the only equilibrium is mixed |
| `rock_paper_scissors` | rock, paper, scissors | zero-sum; the only equilibrium is mixed |
| `climbing` | left, middle, right | common payoff; penalties shadow the best joint move |
| `penalty` | left, middle, right | common payoff; two best joint moves, a penalty for mixing them up |

| agent | observation | actions |
|---|---|---|
| `player_0`, `player_1` | last moves (own, other's) and the round; Box [own + other's + rounds + 1] | its moves |

State: the same with player_0 as "own". Nothing is private. Success, in games of common payoff only: every round paid
the best that there is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

MAX_ROUNDS, MAX_MOVES = 64, 8
SIDES = ("left", "middle", "right")
LETTERS = ("a", "b", "c", "d", "e", "f", "g", "h")

Observation = dict[str, np.ndarray]


class Game(NamedTuple):
    """`payoffs[row][column]` is (player_0's, player_1's); `moves` are names of the rows and of the columns."""

    moves: tuple[tuple[str, ...], tuple[str, ...]]
    payoffs: Any
    source: str


def _common(rows: Sequence[Sequence[float]]) -> list[list[tuple[float, float]]]:
    return [[(value, value) for value in row] for row in rows]


def _zero_sum(rows: Sequence[Sequence[float]]) -> list[list[tuple[float, float]]]:
    return [[(value, -value) for value in row] for row in rows]


def _symmetric(moves: Sequence[str], payoffs: Any, source: str) -> Game:
    return Game((tuple(moves), tuple(moves)), payoffs, source)


GAMES = {
    "prisoners_dilemma": _symmetric(
        ("cooperate", "defect"), [[(3, 3), (0, 5)], [(5, 0), (1, 1)]], "Axelrod (1984), The Evolution of Cooperation"
    ),
    "stag_hunt": _symmetric(
        ("stag", "hare"), [[(9, 9), (0, 8)], [(8, 0), (7, 7)]], "Aumann (1990), Nash Equilibria Are Not Self-Enforcing"
    ),
    "battle_of_the_sexes": _symmetric(
        ("ballet", "fight"),
        [[(2, 1), (0, 0)], [(0, 0), (1, 2)]],
        "Luce and Raiffa (1957), Games and Decisions; payoffs of Osborne and Rubinstein (1994)",
    ),
    "chicken": _symmetric(
        ("yield", "dare"),
        [[(6, 6), (2, 7)], [(7, 2), (0, 0)]],
        "Aumann (1974), Subjectivity and Correlation in Randomized Strategies",
    ),
    "matching_pennies": _symmetric(
        ("heads", "tails"),
        _zero_sum([[1, -1], [-1, 1]]),
        "von Neumann and Morgenstern (1944), Theory of Games and Economic Behavior",
    ),
    "rock_paper_scissors": _symmetric(
        ("rock", "paper", "scissors"),
        _zero_sum([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]),
        "von Neumann and Morgenstern (1944), Theory of Games and Economic Behavior",
    ),
    "climbing": _symmetric(
        SIDES,
        _common([[11, -30, 0], [-30, 7, 6], [0, 0, 5]]),
        "Claus and Boutilier (1998), The Dynamics of Reinforcement Learning in Cooperative Multiagent Systems",
    ),
    "penalty": _symmetric(
        SIDES,
        _common([[10, 0, -100], [0, 2, 0], [-100, 0, 10]]),  # k = -100
        "Claus and Boutilier (1998), The Dynamics of Reinforcement Learning in Cooperative Multiagent Systems",
    ),
}


def parallel_env(
    game: str = "prisoners_dilemma", payoffs: Any = None, rounds: int = 1, render_mode: str | None = None
) -> MatrixGame:
    """The game called `game` (a key of GAMES), or any name with `payoffs`, over `rounds` rounds (1 to 64).

    `payoffs[row][column]` is (player_0's, player_1's): [rows, columns, 2], 2 to 8 moves a player, called a, b, c, ...
    Raises ValueError for an unknown name without payoffs, and for payoffs or rounds outside of this.
    """
    return MatrixGame(game, payoffs, rounds, render_mode)


class MatrixGame(ParallelEnv[str, Observation, int]):
    """See the module's text."""

    metadata = {"name": "matrix_game_v0", "render_modes": ["ansi"]}

    def __init__(
        self,
        game: str = "prisoners_dilemma",
        payoffs: Any = None,
        rounds: int = 1,
        render_mode: str | None = None,
    ) -> None:
        if isinstance(rounds, bool) or not isinstance(rounds, int) or not 1 <= rounds <= MAX_ROUNDS:
            raise ValueError(f"rounds={rounds!r}; give a whole number from 1 to {MAX_ROUNDS}")
        chosen = _named(game) if payoffs is None else _own(payoffs)
        self.game, self.rounds, self.source, self.render_mode = game, rounds, chosen.source, render_mode
        self.payoffs = np.asarray(chosen.payoffs, dtype=float)  # [rows, columns, 2]
        self.possible_agents = ["player_0", "player_1"]
        self.agents: list[str] = []
        self.moves = dict(zip(self.possible_agents, chosen.moves, strict=True))
        self.action_spaces: dict[str, spaces.Discrete] = {
            agent: spaces.Discrete(len(names)) for agent, names in self.moves.items()
        }
        size = sum(map(len, chosen.moves)) + rounds + 1
        self.observation_spaces = {
            agent: spaces.Dict(
                observation=spaces.Box(0.0, 1.0, (size,), np.float32),
                action_mask=spaces.Box(0, 1, (len(names),), np.int8),
            )
            for agent, names in self.moves.items()
        }
        self.state_space = spaces.Box(0.0, 1.0, (size,), np.float32)
        self._history: list[tuple[int, int]] = []

    @property
    def common_payoff(self) -> bool:
        """Whether both players always receive the same."""
        return bool(np.array_equal(self.payoffs[..., 0], self.payoffs[..., 1]))

    def observation_space(self, agent: str) -> spaces.Dict:
        """Dict of `observation` (Box, float32) and `action_mask` (Box, int8; every action is legal)."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """The player's moves, in the order of `action_names`."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Start over. The game draws nothing at random, so the seed changes nothing."""
        self.agents = list(self.possible_agents)
        self._history = []
        return self._observations(), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Play one round. Raises ValueError for an action that is missing or unknown."""
        for agent in self.agents:
            if agent not in actions or not self.action_spaces[agent].contains(actions[agent]):
                names = self.moves[agent]
                raise ValueError(
                    f"{agent} plays {actions.get(agent)!r}; give a whole number from 0 to {len(names) - 1} "
                    f"({', '.join(names)})"
                )
        row, column = (int(actions[agent]) for agent in self.agents)
        self._history.append((row, column))
        rewards = dict(zip(self.agents, self.payoffs[row, column].tolist(), strict=True))
        over = len(self._history) == self.rounds
        ended, cut = dict.fromkeys(self.agents, over), dict.fromkeys(self.agents, False)
        infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        if over:
            if self.common_payoff:
                best = all(self.payoffs[pair][0] == self.payoffs.max() for pair in self._history)
                infos = {agent: {"success": float(best)} for agent in self.agents}
            self.agents = []
        return self._observations(), rewards, ended, cut, infos

    def state(self) -> np.ndarray:
        """The last moves (player_0's, player_1's) and the round, float32."""
        return self._encoded("player_0")

    def render(self) -> str:
        """The state in words."""
        return self.describe_state()

    def rules(self, agent: str) -> str:
        """The payoff table from one player's side: its own move first."""
        own, other = (self.moves[name] for name in self._sides(agent))
        table = self.payoffs if agent == "player_0" else self.payoffs.transpose(1, 0, 2)[..., ::-1]
        zero_sum = bool((self.payoffs.sum(axis=2) == 0).all())
        shown = 1 if self.common_payoff or zero_sum else 2
        cells = [
            f"{mine} {yours}: {' '.join(f'{value:g}' for value in table[i, j, :shown])}."
            for i, mine in enumerate(own)
            for j, yours in enumerate(other)
        ]
        pays = "both get" if self.common_payoff else "you get, the other loses" if zero_sum else "you get, other gets"
        times = "" if self.rounds == 1 else f" {self.rounds} rounds."
        return f"You are {agent}. Both choose at once.{times} Your move, other's move: {pays}. {' '.join(cells)}"

    def describe(self, agent: str, observation: Observation) -> str:
        """The round, and the last round's moves."""
        own, other = (self.moves[name] for name in self._sides(agent))
        flags = np.asarray(observation["observation"])
        mine, yours, clock = flags[: len(own)], flags[len(own) : -self.rounds - 1], flags[-self.rounds - 1 :]
        played = int(clock.argmax())
        now = "The game is over." if played == self.rounds else f"Round {played + 1} of {self.rounds}."
        return f"Last: you {own[mine.argmax()]}, other {other[yours.argmax()]}. {now}" if played else now

    def action_names(self, agent: str) -> list[str]:
        """The names of the player's moves."""
        return list(self.moves[agent])

    def describe_state(self) -> str:
        """Every round's moves so far."""
        first, second = self.moves.values()
        rounds = [
            f"round {n}: player_0 {first[row]}, player_1 {second[column]}"
            for n, (row, column) in enumerate(self._history, 1)
        ]
        return "; ".join(rounds) or "no round has been played"

    def reference(self) -> dict[str, Any]:
        """The known solution: the stage game's equilibria, each played in every round.

        The best joint move can be agreed on without a message, so the no-communication bound is the optimum.
        """
        best = float(self.payoffs.mean(axis=2).max()) * self.rounds
        return {
            "optimum": best,
            "no_communication": best,
            "equilibria": [self._equilibrium(row, column) for row, column in equilibria(self.payoffs)],
            "source": (
                f"{self.source}; equilibria by support enumeration, each supported in every round (subgame perfect); "
                "tests/envs/test_matrix_game.py verifies it"
            ),
        }

    def _equilibrium(self, row: np.ndarray, column: np.ndarray) -> dict[str, Any]:
        payoffs = np.einsum("i,ijk,j->k", row, self.payoffs, column) * self.rounds
        words = [
            " or ".join(
                name if share == 1 else f"{name} ({share:.3g})" for name, share in zip(names, mix, strict=True) if share
            )
            for names, mix in zip(self.moves.values(), (row, column), strict=True)
        ]
        return {
            "name": f"{words[0]} / {words[1]}" if max(row) == max(column) == 1 else "mixed",
            "payoffs": dict(zip(self.possible_agents, payoffs.tolist(), strict=True)),
            "play": f"player_0 plays {words[0]}, player_1 plays {words[1]}, in every round.",
        }

    def _sides(self, agent: str) -> list[str]:
        return self.possible_agents if agent == "player_0" else self.possible_agents[::-1]

    def _encoded(self, agent: str) -> np.ndarray:
        own, other = (len(self.moves[name]) for name in self._sides(agent))
        flags = np.zeros(own + other + self.rounds + 1, dtype=np.float32)
        if self._history:
            mine, yours = self._history[-1] if agent == self.possible_agents[0] else self._history[-1][::-1]
            flags[mine] = flags[own + yours] = 1.0
        flags[own + other + len(self._history)] = 1.0
        return flags

    def _observations(self) -> dict[str, Observation]:
        return {
            agent: {"observation": self._encoded(agent), "action_mask": np.ones(len(names), dtype=np.int8)}
            for agent, names in self.moves.items()
        }


def equilibria(payoffs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Nash equilibria (row mix, column mix) of a bimatrix [rows, columns, 2], by enumerating supports of equal size.

    Complete for nondegenerate games (Porter, Nudelman and Shoham 2008, Simple Search Methods for Finding a Nash
    Equilibrium); a degenerate game may have more.
    """
    first, second = payoffs[..., 0], payoffs[..., 1]
    rows, columns = first.shape
    for size in range(1, min(rows, columns) + 1):
        for chosen in combinations(range(rows), size):
            for answer in combinations(range(columns), size):
                column = _indifferent(first, chosen, answer)
                row = _indifferent(second.T, answer, chosen)
                if row is not None and column is not None:
                    yield row, column


def _indifferent(own: np.ndarray, chosen: tuple[int, ...], answer: tuple[int, ...]) -> np.ndarray | None:
    """The other's mix over exactly `answer` that makes `chosen` best, all alike; None where there is none."""
    size = len(chosen)
    system = np.zeros((size + 1, size + 1))
    system[:size, :size], system[:size, size], system[size, :size] = own[np.ix_(chosen, answer)], -1.0, 1.0
    if np.linalg.matrix_rank(system) <= size:
        return None
    *shares, value = np.linalg.solve(system, np.eye(size + 1)[size])
    mix = np.zeros(own.shape[1])
    mix[list(answer)] = shares
    return mix if min(shares) > 1e-12 and (own @ mix).max() <= value + 1e-9 else None


def _named(game: str) -> Game:
    if game not in GAMES:
        raise ValueError(f"game={game!r}; give one of {', '.join(GAMES)}, or payoffs of your own")
    return GAMES[game]


def _own(payoffs: Any) -> Game:
    wanted = f"give numbers [rows][columns][2], (player_0's, player_1's), with 2 to {MAX_MOVES} rows and columns"
    try:
        table = np.asarray(payoffs, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"payoffs={payoffs!r} is no table ({error}); {wanted}") from error
    if table.ndim != 3 or table.shape[2] != 2 or not all(2 <= n <= MAX_MOVES for n in table.shape[:2]):
        raise ValueError(f"payoffs have the shape {list(table.shape)}; {wanted}")
    if not np.isfinite(table).all():
        raise ValueError(f"payoffs={payoffs!r} are not all finite; {wanted}")
    return Game((LETTERS[: table.shape[0]], LETTERS[: table.shape[1]]), table, "payoffs given by the caller")
