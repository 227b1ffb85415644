"""A game tree from a PettingZoo environment that is small enough to be played in every way.

The environment is played from its start again and again, each time with another choice, or draw of chance, at the last
place where one is left (Godefroid 1997, "Model checking for programming languages using VeriSoft"): it need not be
copied, and what is visited comes in prefix order. A player's information set is the text of all that it has seen and
done when it had to act, so that recall is perfect. Nothing of PettingZoo is imported; what is used of its interface:

| both kinds | `possible_agents`, `reset()`, `action_space(agent).n`, `unwrapped` if there; `action_mask` in observation or info |
| turns (AEC) | `agent_iter`, `agents`, `agent_selection`, `observe`, `step`, `rewards`, `terminations`, `truncations`, `infos` |
| parallel | `agents`, `step(actions)`, with their five and two results |
| face | `describe(agent, observation)` and `action_names(agent)`, of the env or given, where there are any |

**Chance** is what the environment draws from one generator of its own, an attribute of `unwrapped` that `reset()`
without a seed keeps: it is replaced by an `EnumeratingGenerator`, under which every draw becomes a chance move with its
exact probabilities. An environment that draws elsewhere shows other things when it is played the same way again, which
is an error here.
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from marl.errors import SolverError
from marl.games.enumerating_generator import EnumeratingGenerator
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Chance, Decision, Node, Terminal
from marl.games.limits import TIME_LIMIT, Deadline

MAX_NODES = 100_000
GENERATORS = ("np_random", "_np_random", "rng", "_rng")
THEN = " > "


@dataclass(frozen=True, slots=True)
class EnumeratedEnv:
    """The tree, and for each player and information set the observation that its agent acts on there."""

    game: ExtensiveGame
    observations: tuple[tuple[Any, ...], ...]


def enumerate_env(
    make: Callable[[], Any],
    *,
    face: Any = None,
    generator: str | None = None,
    max_nodes: int = MAX_NODES,
    time_limit: float = TIME_LIMIT,
) -> EnumeratedEnv:
    """The whole game of the environment that `make()` gives, exact where all rewards are whole numbers.

    The tree of a one-shot matrix game has that matrix as its `reduced_normal_form`. `face` says what agents see and do
    in words (the env itself by default), `generator` names the attribute that holds the env's random generator (by
    default one of GENERATORS). Raises SolverError above `max_nodes` nodes, after `time_limit` seconds, and for an env
    that cannot be enumerated.
    """
    env, deadline = make(), Deadline(time_limit)
    nodes: list[Node] = []
    observations: dict[tuple[int, str], Any] = {}
    words = env if face is None else face
    script: list[int] = []
    before: list[Node] = []
    while True:
        deadline.check("the enumeration of the environment")
        run = _Run(env, words, script, max_nodes - len(nodes) + len(script))
        run.play(generator)
        _check_same(run.nodes[: len(script)], before[: len(script)])
        nodes += [*run.nodes[len(script) :], run.end()]
        for key, observation in run.observations.items():
            observations.setdefault(key, observation)
        script, before = run.taken, run.nodes
        while script and script[-1] + 1 == len(before[len(script) - 1].actions):  # type: ignore[union-attr]
            script = script[:-1]
        if not script:
            break
        script = [*script[:-1], script[-1] + 1]
    first = _Run(env, words, [], max_nodes)
    first.play(generator)
    _check_same([*first.nodes, first.end()], nodes[: len(first.nodes) + 1])
    game = ExtensiveGame(run.players, nodes, type(env).__name__)
    held = tuple(tuple(observations[one.player, one.name] for one in own) for own in game.information_sets)
    return EnumeratedEnv(game, held)


def _check_same(now: list[Node], before: list[Node]) -> None:
    if now != before:
        raise SolverError(
            "played the same way twice, the environment went on differently: it draws from something else than the "
            "generator that was replaced; let it draw from one attribute, and name that as `generator`"
        )


class _Run:
    """One way from the start to an end: the choices of `script`, and then always the first one."""

    def __init__(self, env: Any, face: Any, script: list[int], max_nodes: int) -> None:
        self.env, self.face, self.script, self.max_nodes = env, face, script, max_nodes
        self.players: list[str] = list(env.possible_agents)
        self.nodes: list[Node] = []
        self.taken: list[int] = []
        self.observations: dict[tuple[int, str], Any] = {}
        self.told: dict[str, list[str]] = {agent: [] for agent in self.players}
        self.payoffs = dict.fromkeys(self.players, 0.0)

    def play(self, generator: str | None) -> None:
        """Play the environment to its end."""
        inner = getattr(self.env, "unwrapped", self.env)
        name = generator or next((one for one in GENERATORS if hasattr(inner, one)), None)
        standing = EnumeratingGenerator(lambda names, shares: self._branch(Chance(names, shares)))
        if name is not None:
            if not hasattr(inner, name):
                raise SolverError(f"the environment has no attribute {name!r}; name the one that holds its generator")
            setattr(inner, name, standing)
        given = self.env.reset()
        if name is not None and getattr(inner, name) is not standing:
            raise SolverError(f"reset() without a seed must keep the generator in {name!r}, and it made a new one")
        if hasattr(self.env, "agent_iter"):
            self._take_turns()
        else:
            self._play_at_once(*given)

    def end(self) -> Terminal:
        """The end that was reached; whole payoffs are exact."""
        paid = (self.payoffs[agent] for agent in self.players)
        return Terminal(tuple(Fraction(int(u)) if float(u).is_integer() else float(u) for u in paid))

    def _take_turns(self) -> None:
        env = self.env
        for _ in self._steps():
            agent = env.agent_selection
            if env.terminations[agent] or env.truncations[agent]:
                env.step(None)
                continue
            env.step(self._decide(agent, env.observe(agent), env.infos.get(agent, {})))
            self._pay(env.rewards)

    def _play_at_once(self, observations: Mapping[str, Any], infos: Mapping[str, Any]) -> None:
        for _ in self._steps():
            actions = {
                agent: self._decide(agent, observations[agent], infos.get(agent, {})) for agent in self.env.agents
            }
            observations, rewards, _, _, infos = self.env.step(actions)
            self._pay(rewards)

    def _steps(self) -> Any:
        """As many steps as the environment takes, at most two for each node that is allowed."""
        for _ in range(2 * self.max_nodes + 100):
            if not self.env.agents:
                return
            yield
        raise SolverError("the environment does not end; limit its length")

    def _pay(self, rewards: Mapping[str, Any]) -> None:
        for agent, reward in rewards.items():
            self.payoffs[agent] += float(reward)

    def _decide(self, agent: str, observation: Any, info: Mapping[str, Any]) -> int:
        """The agent's action: a branching where more than one is legal, remembered by the agent itself."""
        told, legal = self.told[agent], self._legal(agent, observation, info)
        told.append(self._text(agent, observation))
        if len(legal) == 1:
            return legal[0]
        names = self.face.action_names(agent) if hasattr(self.face, "action_names") else None
        actions = tuple(str(action) if names is None else names[action] for action in legal)
        player, name = self.players.index(agent), THEN.join(told)
        self.observations.setdefault((player, name), observation)
        taken = self._branch(Decision(player, name, actions))
        told.append(actions[taken])
        return legal[taken]

    def _branch(self, node: Node) -> int:
        if len(self.nodes) == self.max_nodes:
            raise SolverError(
                "the environment has too many ways to go: its tree is larger than max_nodes; make it smaller or "
                "shorter, or raise the limit"
            )
        place = len(self.nodes)
        self.nodes.append(node)
        self.taken.append(self.script[place] if place < len(self.script) else 0)
        return self.taken[place]

    def _legal(self, agent: str, observation: Any, info: Mapping[str, Any]) -> list[int]:
        count = getattr(self.env.action_space(agent), "n", None)
        if count is None:
            raise SolverError(
                f"the actions of {agent} are {self.env.action_space(agent)}; only Discrete ones are listed"
            )
        inner = observation if isinstance(observation, Mapping) and "action_mask" in observation else info
        mask = inner.get("action_mask")
        legal: list[int] = list(range(int(count))) if mask is None else np.flatnonzero(mask).tolist()
        if not legal:
            raise SolverError(f"{agent} has no legal action where it must act; leave it one, or end it")
        return legal

    def _text(self, agent: str, observation: Any) -> str:
        if hasattr(self.face, "describe"):
            return str(self.face.describe(agent, observation))
        return _plain_text(observation)


def _plain_text(observation: Any) -> str:
    """An observation in figures, the mask left out; arrays in full."""
    if isinstance(observation, Mapping):
        parts = (f"{key}: {_plain_text(value)}" for key, value in observation.items() if key != "action_mask")
        return ", ".join(parts)
    return str(np.asarray(observation).tolist())
