"""Cheap talk: a game before which some players say something that costs nothing, binds nobody and proves nothing.

Sources: Crawford & Sobel 1982, "Strategic information transmission", for a state that one player knows; Farrell & Rabin
1996, "Cheap talk", for intentions; Lewis 1969, "Convention", for common interests. All speakers speak at once, then
all players act at once, and everybody has heard everything.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from string import ascii_lowercase

import numpy as np

from marl.errors import SolverError
from marl.games.normal_form import MAX_PROFILES, NormalFormGame, Number


class CheapTalk:
    """A game with talk before it, and its extended game.

    `stages` is the game, or one game for each state of nature, with the same players and strategies; `prior` gives the
    states' probabilities (alike by default), `states` their names, and only the player `informed` knows the state. Each
    of the `speakers` (the informed player by default) says one of `messages`, a number or names. Players are given by
    index or name. Raises SolverError for what does not fit, and where the extended game has more than MAX_PROFILES
    profiles.

    `says[i]` [plans, known states] is the message that each plan of player i sends (0 where it does not speak), and
    `acts[i]` [plans, known states, heard] its action; `heard` numbers what the other speakers said, the first of them
    counting fastest. Who is not informed knows a single state. Plans are reduced: what a player would do after another
    message of its own than it sends is not told apart (Kuhn 1953, "Extensive games and the problem of information").
    """

    def __init__(
        self,
        stages: NormalFormGame | Sequence[NormalFormGame],
        *,
        prior: Sequence[Number] | None = None,
        states: Sequence[str] | None = None,
        informed: int | str = 0,
        speakers: Sequence[int | str] | None = None,
        messages: int | Sequence[str] = 2,
    ) -> None:
        self.stages = (stages,) if isinstance(stages, NormalFormGame) else tuple(stages)
        self._check_stages()
        first = self.stages[0]
        self.players, self.shape = first.players, first.shape
        self.states = tuple(f"state_{s}" for s in range(len(self.stages))) if states is None else tuple(states)
        if len(set(self.states)) != len(self.states) or len(self.states) != len(self.stages):
            raise SolverError(f"states {self.states} do not fit: give {len(self.stages)} different names, one per game")
        self.prior = _prior(prior, len(self.stages))
        self.informed = self._player(informed)
        self.speakers = tuple(sorted({self._player(one) for one in ([informed] if speakers is None else speakers)}))
        self.messages = _message_names(messages)
        self._check_size()

    def _check_stages(self) -> None:
        if not self.stages:
            raise SolverError("no game is given; give one, or one for each state")
        first = self.stages[0]
        for stage in self.stages[1:]:
            if (stage.players, stage.strategies) != (first.players, first.strategies):
                raise SolverError(f"all states need the same players and strategies; given {first} and {stage}")

    def _player(self, given: int | str) -> int:
        index = self.players.index(given) if isinstance(given, str) and given in self.players else given
        if not isinstance(index, int | np.integer) or not 0 <= index < len(self.players):
            raise SolverError(f"there is no player {given!r}; there are {', '.join(self.players)}")
        return int(index)

    def _check_size(self) -> None:
        sizes = [options**known for options, known in map(self._options, range(len(self.players)))]
        profiles = math.prod(sizes)
        if profiles > MAX_PROFILES:
            raise SolverError(
                f"with {len(self.messages)} messages the players have {sizes} plans, which makes {profiles} profiles; "
                f"at most {MAX_PROFILES} are allowed. Give fewer messages, speakers, states or strategies"
            )

    def _options(self, player: int) -> tuple[int, int]:
        """How many ways to speak and act the player has in each state that it can tell, and how many those are."""
        says = len(self.messages) if player in self.speakers else 1
        return says * self.shape[player] ** self.heard_by(player), self.known_by(player)

    def known_by(self, player: int) -> int:
        """How many states of nature the player tells apart."""
        return len(self.states) if player == self.informed else 1

    def heard_by(self, player: int) -> int:
        """How many different things the other speakers together may say."""
        return int(len(self.messages) ** len([one for one in self.speakers if one != player]))

    def heard_messages(self, player: int, number: int) -> dict[int, int]:
        """What `heard` with this number is: {speaker: message}, without the player itself."""
        others = [one for one in self.speakers if one != player]
        return {one: number // len(self.messages) ** k % len(self.messages) for k, one in enumerate(others)}

    @cached_property
    def _plans(self) -> list[tuple[np.ndarray, np.ndarray]]:
        tables = []
        for player, size in enumerate(self.shape):
            own = range(len(self.messages)) if player in self.speakers else range(1)
            answers = list(itertools.product(range(size), repeat=self.heard_by(player)))
            plans = list(itertools.product(itertools.product(own, answers), repeat=self.known_by(player)))
            says = np.array([[message for message, _ in plan] for plan in plans], dtype=np.int64)
            tables.append((says, np.array([[answer for _, answer in plan] for plan in plans], dtype=np.int64)))
        return tables

    @property
    def says(self) -> list[np.ndarray]:
        """For each player [plans, known states]."""
        return [says for says, _ in self._plans]

    @property
    def acts(self) -> list[np.ndarray]:
        """For each player [plans, known states, heard]."""
        return [acts for _, acts in self._plans]

    @cached_property
    def game(self) -> NormalFormGame:
        """The extended game in reduced normal form, its strategies named by what they say and do."""
        shape = tuple(len(says) for says in self.says)
        exact = all(stage.exact for stage in self.stages) and self.prior.dtype == object
        parts = []
        for state, (stage, weight) in enumerate(zip(self.stages, self.prior, strict=True)):
            actions = tuple(self._actions(state))
            weighted = stage.payoffs.astype(object if exact else np.float64) * (weight if exact else float(weight))
            parts.append(np.stack([np.broadcast_to(tensor[actions], shape) for tensor in weighted]))
        payoffs = sum(parts[1:], start=parts[0])
        names = [list(self._names(player)) for player in range(len(shape))]
        return NormalFormGame(payoffs, self.players, names)

    def _actions(self, state: int) -> Iterator[np.ndarray]:
        """Each player's action by profile of plans, as arrays that broadcast to the extended game's shape."""
        count = len(self.players)
        known = [state if player == self.informed else 0 for player in range(count)]
        along = [[-1 if axis == player else 1 for axis in range(count)] for player in range(count)]
        said = {one: self.says[one][:, known[one]].reshape(along[one]) for one in self.speakers}
        for player in range(count):
            others = [one for one in self.speakers if one != player]
            heard = sum((said[one] * len(self.messages) ** k for k, one in enumerate(others)), np.int64(0))
            plans = np.arange(len(self.says[player])).reshape(along[player])
            yield self.acts[player][plans, known[player], heard]

    def _names(self, player: int) -> Iterator[str]:
        for says, acts in zip(self.says[player], self.acts[player], strict=True):
            parts = []
            for known, (message, answer) in enumerate(zip(says, acts, strict=True)):
                words = [f"say {self.messages[message]}"] if player in self.speakers else []
                if self.shape[player] > 1 or not words:
                    words += self._answer(player, answer)
                state = f"{self.states[known]}: " if len(says) > 1 else ""
                parts.append(state + ", ".join(words))
            yield "; ".join(parts)

    def _answer(self, player: int, answer: np.ndarray) -> list[str]:
        names = self.stages[0].strategies[player]
        if len(answer) == 1:
            return [names[answer[0]]]
        heard = [
            "+".join(self.messages[m] for m in self.heard_messages(player, h).values()) for h in range(len(answer))
        ]
        return [f"{names[action]} after {said}" for action, said in zip(answer, heard, strict=True)]


def signaling_game(
    sender: Sequence[Sequence[Number | str]],
    receiver: Sequence[Sequence[Number | str]],
    *,
    prior: Sequence[Number] | None = None,
    states: Sequence[str] | None = None,
    actions: Sequence[str] | None = None,
    messages: int | Sequence[str] = 2,
) -> CheapTalk:
    """A sender knows the state and speaks; a receiver hears it and acts. Payoffs of both are [states, actions].

    The sender has nothing to do but talk, and what it says costs nothing (Crawford & Sobel 1982).
    """
    if len(sender) != len(receiver):
        raise SolverError(f"sender has payoffs for {len(sender)} states, receiver for {len(receiver)}; give the same")
    names = [["talk"], actions] if actions is not None else None
    stages = [
        NormalFormGame([[list(own)], [list(other)]], ("sender", "receiver"), names)
        for own, other in zip(sender, receiver, strict=True)
    ]
    return CheapTalk(stages, prior=prior, states=states, informed=0, speakers=[0], messages=messages)


def _prior(given: Sequence[Number] | None, states: int) -> np.ndarray:
    """Float64, or Fractions where given exactly."""
    nature = NormalFormGame(np.zeros((1, states)))
    (prior,) = nature.distributions([[Fraction(1, states)] * states if given is None else list(given)])
    if not (prior > 0).all():
        raise SolverError(f"a state of probability 0 is none; given the prior {list(map(float, prior))}")
    return prior


def _message_names(given: int | Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, int):
        if not 1 <= given <= len(ascii_lowercase):
            raise SolverError(f"{given} messages; give 1 to {len(ascii_lowercase)}, or names")
        return tuple(ascii_lowercase[:given])
    if not given or len(set(given)) != len(given):
        raise SolverError(f"messages {tuple(given)} must be one or more different names")
    return tuple(given)
