"""Kuhn poker: three cards, one ante, one bet; the smallest game in which bluffing is right.

Jack, queen, king; each player antes 1 and gets one card. player_0 may pass or bet 1. After a pass player_1 may
pass or bet 1. Whoever faces a bet may fold or call it. At a showdown the higher card wins the pot.

| agent | observation | actions |
|---|---|---|
| `player_0`, `player_1` | own card [3], up to 3 moves as (passive, aggressive) [6]; Box [9] | pass, bet, fold, call |

State: both cards and the moves, Box [12]. Players take turns; payoffs, in antes, come at the end and sum to 0.

A policy here is {information set: probability of betting or calling}, an information set is named by the card and the
moves so far ("queen", "king pass bet"), and `nash_conv` measures exactly how far a policy is from equilibrium.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations, product
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv

CARDS = ("jack", "queen", "king")
MOVES = ("pass", "bet", "fold", "call")
PASS, BET, FOLD, CALL = range(4)
AGENTS = ("player_0", "player_1")
VALUE = -1 / 18  # of the game to player_0

History = tuple[int, ...]
Observation = dict[str, np.ndarray]
Policy = Mapping[str, float]

DECISIONS: dict[History, int] = {(): 0, (PASS,): 1, (BET,): 1, (PASS, BET): 0}  # history -> index of who moves


def env(render_mode: str | None = None) -> KuhnPoker:
    """The game of Kuhn (1950)."""
    return KuhnPoker(render_mode)


class KuhnPoker(AECEnv[str, Observation, int]):
    """See the module's text."""

    metadata = {"name": "kuhn_poker_v0", "render_modes": ["ansi"]}

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__()
        self.render_mode = render_mode
        self.possible_agents = list(AGENTS)
        self.agents: list[str] = []
        self.action_spaces: dict[str, spaces.Discrete] = {agent: spaces.Discrete(len(MOVES)) for agent in AGENTS}
        self.observation_spaces = {
            agent: spaces.Dict(
                observation=spaces.Box(0.0, 1.0, (9,), np.float32),
                action_mask=spaces.Box(0, 1, (len(MOVES),), np.int8),
            )
            for agent in AGENTS
        }
        self.state_space = spaces.Box(0.0, 1.0, (12,), np.float32)
        self._rng = np.random.default_rng()
        self._cards = (0, 1)
        self._history: History = ()

    def observation_space(self, agent: str) -> spaces.Dict:
        """Dict of `observation` (Box [9], float32) and `action_mask` (Box [4], int8; all 0 out of turn)."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """0: pass. 1: bet. 2: fold. 3: call."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Deal. A `seed` restarts the env's own generator; without one it draws on."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        first, second = self._rng.permutation(len(CARDS))[:2]
        self._cards, self._history = (int(first), int(second)), ()
        self.agents = list(AGENTS)
        self.agent_selection = AGENTS[0]
        self.rewards = dict.fromkeys(AGENTS, 0.0)
        self._cumulative_rewards = dict.fromkeys(AGENTS, 0.0)
        self.terminations = dict.fromkeys(AGENTS, False)
        self.truncations = dict.fromkeys(AGENTS, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in AGENTS}

    def observe(self, agent: str) -> Observation:
        """The agent's own card and the moves so far; never the other's card."""
        seat = AGENTS.index(agent)
        legal = _legal(self._history) if DECISIONS.get(self._history) == seat else ()
        return _observation(self._cards[seat], self._history, legal)

    def step(self, action: int | None) -> None:
        """The selected player's move. Raises ValueError for one that is not legal there."""
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        legal = _legal(self._history)
        if action is None or int(action) not in legal:
            raise ValueError(
                f"{agent} plays {action!r}; give {' or '.join(f'{move} ({MOVES[move]})' for move in legal)}"
            )
        self._history = (*self._history, int(action))
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        if self._history not in DECISIONS:
            gain = payoff(self._cards, self._history)
            self.rewards = {AGENTS[0]: gain, AGENTS[1]: -gain}
            self.terminations = dict.fromkeys(AGENTS, True)
        self.agent_selection = AGENTS[1 - AGENTS.index(agent)]
        self._accumulate_rewards()

    def state(self) -> np.ndarray:
        """Both cards one-hot and the moves, float32 [12]."""
        cards = np.eye(len(CARDS), dtype=np.float32)[list(self._cards)].ravel()
        return np.concatenate([cards, _moves_made(self._history)])

    def render(self) -> str:
        """The state in words."""
        return self.describe_state()

    def close(self) -> None:
        """Nothing to close."""

    def rules(self, agent: str) -> str:
        """The game for one player."""
        return (
            f"You are {agent}. Cards: jack, queen, king, the king is best. Each antes 1 and sees one card. player_0 "
            "begins. Pass, or bet 1. Against a bet: fold, or call 1. The better card wins."
        )

    def describe(self, agent: str, observation: Observation) -> str:
        """The own card and the moves so far: exactly the information set."""
        card, *moves = information_set(observation).split()
        told = f" Moves: {', '.join(moves)}." if moves else ""
        return f"Your card: {card}.{told}"

    def action_names(self, agent: str) -> list[str]:
        """The moves: pass, bet, fold, call."""
        return list(MOVES)

    def describe_state(self) -> str:
        """Both cards and the moves so far."""
        cards = ", ".join(f"{agent} has the {CARDS[card]}" for agent, card in zip(AGENTS, self._cards, strict=True))
        moves = ", ".join(MOVES[move] for move in self._history)
        return f"{cards}; {moves}" if moves else cards

    def reference(self) -> dict[str, Any]:
        """The known solution: one family of equilibria, player_0's bluffing rate alpha free, all with one value."""
        play = (
            "player_0 bets the jack with probability alpha (0 to 1/3) and the king with 3 alpha, passes the queen and "
            "calls with it at alpha + 1/3. player_1 bets the jack after a pass, and calls with the queen, at 1/3. Its "
            "king always bets or calls. A jack folds to a bet, a king calls."
        )
        payoffs = {AGENTS[0]: VALUE, AGENTS[1]: -VALUE}
        return {
            "optimum": 0.0,
            "no_communication": 0.0,
            "equilibria": [{"name": "Nash equilibrium", "payoffs": payoffs, "play": play}],
            "source": (
                "Kuhn (1950), A Simplified Two-Person Poker; "
                "tests/envs/test_kuhn_poker.py verifies it by enumerating the pure strategies"
            ),
        }


def information_sets() -> tuple[str, ...]:
    """The names of all 12 information sets, player_0's six first."""
    return tuple(
        _name(card, history)
        for seat in range(2)
        for history, mover in DECISIONS.items()
        if mover == seat
        for card in range(len(CARDS))
    )


def information_set(observation: Observation) -> str:
    """The name of the information set that an observation shows: the card, then the moves so far."""
    flags = np.asarray(observation["observation"])
    history: History = ()
    for passive, aggressive in flags[3:].reshape(3, 2):
        if passive or aggressive:
            history = (*history, (FOLD if BET in history else PASS) + int(aggressive > 0))
    return _name(int(flags[:3].argmax()), history)


def view_at(name: str) -> tuple[str, Observation]:
    """Who decides in the information set called `name`, and the observation there.

    Raises ValueError for an unknown name.
    """
    for history, seat in DECISIONS.items():
        for card in range(len(CARDS)):
            if _name(card, history) == name:
                return AGENTS[seat], _observation(card, history, _legal(history))
    raise ValueError(f"{name!r} is no information set; the names are {', '.join(information_sets())}")


def equilibrium(alpha: float = 0.0) -> dict[str, float]:
    """Kuhn's equilibrium in which player_0 bluffs with the jack at rate `alpha`, 0 to 1/3; ValueError outside."""
    if not 0 <= alpha <= 1 / 3:
        raise ValueError(f"alpha={alpha!r}; give a number from 0 to 1/3")
    first = {"jack": alpha, "queen": 0.0, "king": 3 * alpha}
    facing = {"jack pass bet": 0.0, "queen pass bet": alpha + 1 / 3, "king pass bet": 1.0}
    after_pass = {"jack pass": 1 / 3, "queen pass": 0.0, "king pass": 1.0}
    after_bet = {"jack bet": 0.0, "queen bet": 1 / 3, "king bet": 1.0}
    return {**first, **facing, **after_pass, **after_bet}


def expected_value(policy: Policy) -> float:
    """player_0's expected payoff in antes when both follow `policy`."""
    deals = list(permutations(range(len(CARDS)), 2))
    return sum(_value(deal, (), policy) for deal in deals) / len(deals)


def best_response_value(policy: Policy, agent: str) -> float:
    """The most that `agent` can expect, in antes, against the other's part of `policy`: its best of 64 pure plans."""
    seat = AGENTS.index(agent)
    own = information_sets()[6 * seat : 6 * seat + 6]
    plans = (dict(zip(own, plan, strict=True)) for plan in product((0.0, 1.0), repeat=len(own)))
    sign = 1 - 2 * seat
    return max(sign * expected_value({**policy, **plan}) for plan in plans)


def nash_conv(policy: Policy) -> float:
    """What both players together could gain by best responses, in antes; 0 exactly at an equilibrium.

    `policy` gives the probability of betting or calling in each of the 12 information sets. Raises ValueError where
    one is missing, unknown or not a probability. (The name is from Lanctot et al. 2017, A Unified Game-Theoretic
    Approach to Multiagent Reinforcement Learning.)
    """
    wanted, given = set(information_sets()), set(policy)
    if wanted != given:
        raise ValueError(f"policy lacks {sorted(wanted - given)} and has unknown {sorted(given - wanted)}")
    wrong = {name: share for name, share in policy.items() if not 0 <= share <= 1}
    if wrong:
        raise ValueError(f"policy has {wrong}; give probabilities of betting or calling, from 0 to 1")
    return sum(best_response_value(policy, agent) for agent in AGENTS)  # the values that they give up sum to 0


def payoff(cards: tuple[int, int], history: History) -> float:
    """What player_0 gains, in antes, in a game that has ended with `history`."""
    if history[-1] == FOLD:
        return -1.0 if len(history) == 3 else 1.0
    stake = 2.0 if history[-1] == CALL else 1.0
    return stake if cards[0] > cards[1] else -stake


def _value(cards: tuple[int, int], history: History, policy: Policy) -> float:
    if history not in DECISIONS:
        return payoff(cards, history)
    share = policy[_name(cards[DECISIONS[history]], history)]
    passive, aggressive = (_value(cards, (*history, move), policy) for move in _legal(history))
    return (1 - share) * passive + share * aggressive


def _legal(history: History) -> tuple[int, int]:
    return (FOLD, CALL) if history[-1:] == (BET,) else (PASS, BET)


def _name(card: int, history: History) -> str:
    return " ".join([CARDS[card], *(MOVES[move] for move in history)])


def _moves_made(history: History) -> np.ndarray:
    made = np.zeros((3, 2), dtype=np.float32)
    for number, move in enumerate(history):
        made[number, move % 2] = 1.0  # pass and fold are passive, bet and call aggressive
    return made.ravel()


def _observation(card: int, history: History, legal: tuple[int, ...]) -> Observation:
    mask = np.zeros(len(MOVES), dtype=np.int8)
    mask[list(legal)] = 1
    flags = np.concatenate([np.eye(len(CARDS), dtype=np.float32)[card], _moves_made(history)])
    return {"observation": flags, "action_mask": mask}
