"""A text maze for one: random perfect mazes, with mazes held out by their walls.

A perfect maze is a spanning tree of the n x n grid: one way only between any two cells. Each reset draws one
uniformly (Wilson 1996), and a start and a goal that differ. Reaching the goal pays 1 and ends the episode; after
`budget` moves it is cut off. Discounting is what makes a shorter way better.

| agent `walker_0` | observation |
|---|---|
| view "local" | open sides [4], where the goal is (up, right, down, left) [4], the side it came from [4]; Box [12] |
| view "thread" | the same, but for the last the side of the cell's first entrance [4], and the sides that led nowhere |
| | [4]; Box [16] |
| view "full" | open sides of all cells [n * n * 4], own cell [n * n], goal's cell [n * n]; Box [6 n^2] |

Actions: up, right, down, left; only open sides are legal, and against a wall one stays. State: as view "full".
Success: the goal is reached. `infos` tell `shortest`, the length of the shortest way from start to goal, and `steps`,
the moves made.

With the local view alone, whoever follows a wall (takes the first open side clockwise after the one it came from)
reaches any goal in at most 2 (n^2 - 1) moves, so no memory is needed; the default budget is 2 n^2. With the thread
it is enough to take any new side, and to go back by the entrance where there is none: a depth-first search (Tremaux's,
in Lucas, "Recreations mathematiques" I, 1882), which may choose among new sides by where the goal lies.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

WALKER = "walker_0"
SIDES = ("up", "right", "down", "left")
STEPS = ((-1, 0), (0, 1), (1, 0), (0, -1))  # (row, column), in the order of SIDES
SPLITS, VIEWS = ("all", "train", "held_out"), ("local", "thread", "full")
HELD_OUT_SHARE = 5  # every fifth pattern of walls

Observation = dict[str, np.ndarray]


def parallel_env(
    size: int = 4,
    view: str = "local",
    split: str = "all",
    number: int | None = None,
    budget: int | None = None,
    render_mode: str | None = None,
) -> Maze:
    """Mazes of `size` x `size` cells (3 to 16).

    `split` "train" never draws the walls that "held_out" draws (a fifth of all patterns); "all" draws both. With a
    `number` every episode is the one maze drawn from that seed. `budget` is the moves before the episode is cut off.
    Raises ValueError for anything else.
    """
    return Maze(size, view, split, number, budget, render_mode)


class Maze(ParallelEnv[str, Observation, int]):
    """See the module's text."""

    metadata = {"name": "maze_v0", "render_modes": ["ansi"]}

    def __init__(
        self,
        size: int = 4,
        view: str = "local",
        split: str = "all",
        number: int | None = None,
        budget: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        _check("size", size, 3, 16)
        if view not in VIEWS or split not in SPLITS:
            raise ValueError(f"view={view!r}, split={split!r}; view is one of {VIEWS}, split one of {SPLITS}")
        if number is not None:
            _check("number", number, 0, None)
        if budget is not None:
            _check("budget", budget, 1, None)
        self.size, self.view, self.split, self.number, self.render_mode = size, view, split, number, render_mode
        self.budget = budget or 2 * size**2
        self.possible_agents = [WALKER]
        self.agents: list[str] = []
        self.action_spaces: dict[str, spaces.Discrete] = {WALKER: spaces.Discrete(len(SIDES))}
        self.state_space = spaces.Box(0.0, 1.0, (6 * size**2,), np.float32)
        widths = {"local": 12, "thread": 16, "full": 6 * size**2}
        shown = spaces.Box(0.0, 1.0, (widths[view],), np.float32)
        self.observation_spaces = {
            WALKER: spaces.Dict(observation=shown, action_mask=spaces.Box(0, 1, (len(SIDES),), np.int8))
        }
        self._rng = np.random.default_rng()
        self.cell = self.goal = (0, 0)
        self.came_from, self.steps = -1, 0  # -1: from nowhere yet
        self._draw()

    def observation_space(self, agent: str) -> spaces.Dict:
        """Dict of `observation` (Box, float32) and `action_mask` (Box [4], int8; 1 where there is no wall)."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """0: up. 1: right. 2: down. 3: left."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Draw a maze, start and goal. A `seed` restarts the env's own generator; without one it draws on."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents = [WALKER]
        self._draw()
        return self._observations(), {WALKER: self._info()}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Walk one cell; against a wall (the mask says so) one stays. Raises ValueError for an unknown action."""
        action = actions.get(WALKER)
        if not self.action_spaces[WALKER].contains(action):
            raise ValueError(f"{WALKER} plays {action!r}; give a whole number from 0 to 3 ({', '.join(SIDES)})")
        side = int(action)  # type: ignore[arg-type]
        self.steps += 1
        if self.open[self.cell][side]:
            self._walk(side)
        reached = self.cell == self.goal
        cut = not reached and self.steps >= self.budget
        info = self._info()
        if reached or cut:
            info["success"] = float(reached)
            self.agents = []
        return self._observations(), {WALKER: float(reached)}, {WALKER: reached}, {WALKER: cut}, {WALKER: info}

    def state(self) -> np.ndarray:
        """Open sides of every cell, the walker's cell and the goal's, float32 [6 n^2]."""
        places = np.zeros((2, self.size, self.size), dtype=np.float32)
        places[0][self.cell] = places[1][self.goal] = 1.0
        return np.concatenate([self.open.astype(np.float32).ravel(), places.ravel()])

    def render(self) -> str:
        """The map, with W for the walker and G for the goal."""
        return "\n".join(_map(self.open, self.cell, self.goal))

    def rules(self, agent: str) -> str:
        """The game in one sentence or two."""
        how = " On the map W is you, G the goal, # a wall." if self.view == "full" else ""
        return f"You are {agent}. Walk to the goal. Paths may turn away from it.{how}"

    def describe(self, agent: str, observation: Observation) -> str:
        """The local view in words, or the map row by row."""
        flags = np.asarray(observation["observation"])
        if self.view == "full":
            ways, own, place = np.split(flags, [4 * self.size**2, 5 * self.size**2])
            cells = (divmod(int(flag.argmax()), self.size) for flag in (own, place))
            return f"Map: {' '.join(_map(ways.reshape(self.size, self.size, 4) > 0, *cells))}"
        sides, whither, came, *led_nowhere = (
            [name for name, flag in zip(SIDES, part, strict=True) if flag] for part in flags.reshape(-1, 4)
        )
        goal = f"Goal: {' '.join(whither) or 'here'}."
        if self.view == "thread":
            new = ", ".join(side for side in sides if side not in (*came, *led_nowhere[0]))
            return f"New: {new or 'none'}. {goal}" + (f" Back: {came[0]}." if came else "")
        return f"Open: {', '.join(sides)}. {goal}" + (f" You came from: {came[0]}." if came else "")

    def action_names(self, agent: str) -> list[str]:
        """The sides: up, right, down, left."""
        return list(SIDES)

    def describe_state(self) -> str:
        """The map row by row."""
        return f"map {' '.join(_map(self.open, self.cell, self.goal))}"

    def distances(self) -> np.ndarray:
        """Moves from each cell to the goal, breadth first, int [n, n]."""
        found = np.full((self.size, self.size), -1)
        found[self.goal] = 0
        queue = deque([self.goal])
        while queue:
            cell = queue.popleft()
            for side in np.flatnonzero(self.open[cell]):
                neighbor = _beside(cell, int(side))
                if found[neighbor] < 0:
                    found[neighbor] = found[cell] + 1
                    queue.append(neighbor)
        return found

    def reference(self) -> dict[str, Any]:
        """The known solution; `shortest` is the length of the shortest way in the present maze."""
        return {
            "optimum": 1.0,
            "no_communication": 1.0,
            "equilibria": [
                {"name": "the goal", "payoffs": {WALKER: 1.0}, "play": "The walker reaches the goal within the budget."}
            ],
            "shortest": self.shortest,
            "source": (
                "Wilson (1996), Generating Random Spanning Trees More Quickly than the Cover Time; a wall follower "
                "passes every edge of a tree twice at most; tests/envs/test_maze.py verifies both"
            ),
        }

    def _draw(self) -> None:
        rng = self._rng if self.number is None else np.random.default_rng(self.number)
        while True:
            self.open = spanning_tree(self.size, rng)
            if self.split == "all" or is_held_out(self.open) == (self.split == "held_out"):
                break
        start, goal = rng.permutation(self.size**2)[:2]
        self.cell, self.goal = divmod(int(start), self.size), divmod(int(goal), self.size)
        self.came_from, self.steps = -1, 0
        self.entered = {self.cell: -1}
        self.nothing = np.zeros((self.size, self.size, 4), dtype=bool)
        self.shortest = int(self.distances()[self.cell])

    def _walk(self, side: int) -> None:
        here, back = self.cell, (side + 2) % 4
        self.cell, self.came_from = _beside(here, side), back
        if self.cell not in self.entered:
            self.entered[self.cell] = back
        elif self.entered[here] == side:
            self.nothing[self.cell][back] = True

    def _info(self) -> dict[str, Any]:
        return {"shortest": self.shortest, "steps": self.steps}

    def _observations(self) -> dict[str, Observation]:
        shown = self.state() if self.view == "full" else self._local()
        return {WALKER: {"observation": shown, "action_mask": self.open[self.cell].astype(np.int8)}}

    def _local(self) -> np.ndarray:
        (row, column), (goal_row, goal_column) = self.cell, self.goal
        goal = [goal_row < row, goal_column > column, goal_row > row, goal_column < column]
        thread = self.view == "thread"
        came = [side == (self.entered[self.cell] if thread else self.came_from) for side in range(4)]
        marks = [self.nothing[self.cell]] if thread else []
        return np.concatenate([self.open[self.cell], goal, came, *marks]).astype(np.float32)


def spanning_tree(size: int, rng: np.random.Generator) -> np.ndarray:
    """Open sides of a maze, bool [size, size, 4], uniform over all spanning trees of the grid.

    Wilson's algorithm: walk at random from each cell that is not in the tree until the tree is met, and add that walk
    without its loops, which are forgotten by keeping only each cell's latest way out.
    """
    ways = np.zeros((size, size, 4), dtype=bool)
    inside = np.zeros((size, size), dtype=bool)
    inside[divmod(int(rng.integers(size**2)), size)] = True
    for start in np.ndindex(size, size):
        out: dict[tuple[int, ...], int] = {}
        cell: tuple[int, ...] = start
        while not inside[cell]:
            sides = [side for side in range(4) if all(0 <= at < size for at in _beside(cell, side))]
            out[cell] = sides[int(rng.integers(len(sides)))]
            cell = _beside(cell, out[cell])
        cell = start
        while not inside[cell]:
            side = out[cell]
            ways[cell][side] = inside[cell] = True
            cell = _beside(cell, side)
            ways[cell][(side + 2) % 4] = True
    return ways


def is_held_out(ways: np.ndarray) -> bool:
    """Whether these walls belong to the held-out split: about a fifth do, whatever start and goal are."""
    checksum = 0
    for flag in ways[..., 1:3].ravel():  # right and down: every passage once
        checksum = (checksum * 2 + int(flag)) % 1_000_003
    return checksum % HELD_OUT_SHARE == 0


def _beside(cell: tuple[int, ...], side: int) -> tuple[int, int]:
    return cell[0] + STEPS[side][0], cell[1] + STEPS[side][1]


def _map(ways: np.ndarray, cell: tuple[int, ...], goal: tuple[int, ...]) -> list[str]:
    size = len(ways)
    grid = np.full((2 * size + 1, 2 * size + 1), "#")
    grid[1::2, 1::2] = "."
    grid[1:-1:2, 2::2][ways[..., 1]] = "."
    grid[2::2, 1:-1:2][ways[..., 2]] = "."
    grid[2 * goal[0] + 1, 2 * goal[1] + 1] = "G"
    grid[2 * cell[0] + 1, 2 * cell[1] + 1] = "W"
    return ["".join(row) for row in grid]


def _check(name: str, value: Any, low: int, high: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < low or (high is not None and value > high):
        allowed = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise ValueError(f"{name}={value!r}; give a whole number {allowed}")
