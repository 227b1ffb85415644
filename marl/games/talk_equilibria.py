"""The equilibria of a game with cheap talk, each with what its messages tell and whether play heeds them.

An equilibrium *babbles* if nobody's play depends on what others say (Farrell & Rabin 1996); there always is one. It is
*informative* if somebody's play depends on messages that are sent. In between lies *off path*: play is the same after
all messages that are sent, and would be another after one that is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from marl.errors import SolverError
from marl.games.cheap_talk import CheapTalk
from marl.games.equilibrium import Equilibrium
from marl.games.limits import MEGABYTES, TIME_LIMIT, Child, Deadline
from marl.games.mixed import mixed_equilibria
from marl.games.talk_words import talk_sentences

Kind = Literal["babbling", "informative", "off path"]
Convention = Literal["separating", "partial pooling", "pooling"]

SAME = 1e-9
"""Probabilities of floating profiles that are this close count as one; those of exact profiles must be equal."""

GRACE = 5.0
"""Seconds for the child process to start and end."""


@dataclass(frozen=True, slots=True)
class TalkEquilibrium:
    """`state_bits` is I(state; all messages), at most the state's entropy; `heard_bits[i]` what player i's action owes
    to what it heard: I(what the others said; i's action | what i knew and said itself).

    `convention` says how far the messages tell the states apart; None where there is a single state. `says[i]`
    [known states, messages] are probabilities, None for who does not speak; `acts[i]` [known states, own messages,
    heard, strategies] too, None after an own message that is never sent.
    """

    equilibrium: Equilibrium
    kind: Kind
    convention: Convention | None
    state_bits: float
    heard_bits: tuple[float, ...]
    says: tuple[np.ndarray | None, ...]
    acts: tuple[np.ndarray, ...]


def talk_equilibrium(talk: CheapTalk, equilibrium: Equilibrium) -> TalkEquilibrium:
    """An equilibrium of `talk.game`, classified. SolverError where it is a profile of another game."""
    if tuple(map(len, equilibrium.profile)) != talk.game.shape:
        raise SolverError(f"the profile is none of the extended game, which has {talk.game.shape} plans per player")
    behavior = [_behavior(talk, player, own) for player, own in enumerate(equilibrium.profile)]
    exact = talk.prior.dtype == object and all(says.dtype == object for says, _ in behavior)
    sent = _messages(talk, [says for says, _ in behavior])
    same = _same(exact)
    heeded = on_path = False
    bits = []
    for player, (says, acts) in enumerate(behavior):
        heard = _heard(talk, sent, player)
        bits.append(float(_listening(heard, acts)))
        for place in zip(*np.nonzero(says > 0), strict=True):
            after, likely = acts[place], heard[place] > 0
            heeded |= not same(after, after[:1])
            on_path |= bool(likely.any()) and not same(after[likely], after[likely][:1])
    return TalkEquilibrium(
        equilibrium,
        "informative" if on_path else "off path" if heeded else "babbling",
        _convention(sent, talk.prior, same) if len(talk.states) > 1 else None,
        _mutual_information(sent.reshape(len(sent), -1).astype(np.float64)),
        tuple(bits),
        tuple(says if player in talk.speakers else None for player, (says, _) in enumerate(behavior)),
        tuple(acts for _, acts in behavior),
    )


def solve_cheap_talk(talk: CheapTalk, *, time_limit: float = TIME_LIMIT, megabytes: int = MEGABYTES) -> dict[str, Any]:
    """`talk_record` from a child process with `megabytes` of memory; SolverError where it does not answer in time."""
    seconds = Deadline(time_limit).seconds
    with Child(_work, talk, seconds, megabytes=megabytes) as child:
        record: dict[str, Any] = child.receive(2 * seconds + GRACE)
    return record


def _work(send: Callable[[Any], None], talk: CheapTalk, seconds: float) -> None:
    send(talk_record(talk, time_limit=seconds))


def talk_record(talk: CheapTalk, *, time_limit: float = TIME_LIMIT) -> dict[str, Any]:
    """All equilibria that `mixed_equilibria` finds of the extended game, classified, as plain lists and strings.

    docs/solving.md lists the fields; `summary` says it in words.
    """
    found = mixed_equilibria(talk.game, time_limit=time_limit)
    record = {
        "players": list(talk.players),
        "strategies": [list(own) for own in talk.stages[0].strategies],
        "states": list(talk.states),
        "prior": [_held(p) for p in talk.prior.tolist()],
        "informed": talk.informed if len(talk.states) > 1 else None,
        "speakers": list(talk.speakers),
        "messages": list(talk.messages),
        "plans": [list(own) for own in talk.game.strategies],
        "complete": found.complete,
        "completeness": found.reason,
        "degenerate": found.degenerate,
        "equilibria": [_plain(talk_equilibrium(talk, one)) for one in found.equilibria],
    }
    return record | {"summary": talk_sentences(record)}


def _plain(one: TalkEquilibrium) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "convention": one.convention,
        "payoffs": [_held(payoff) for payoff in one.equilibrium.payoffs],
        "state_bits": one.state_bits,
        "heard_bits": list(one.heard_bits),
        "says": [None if says is None else _nested(says.tolist()) for says in one.says],
        "acts": [_nested(acts.tolist()) for acts in one.acts],
        "profile": [[_held(p) for p in own] for own in one.equilibrium.profile],
        "regret": _held(one.equilibrium.regret),
        "exact": one.equilibrium.exact,
        "method": one.equilibrium.method,
    }


def _nested(values: Any) -> Any:
    return [_nested(part) for part in values] if isinstance(values, list) else _held(values)


def _held(value: Any) -> Any:
    """None for what is undefined, Fractions as text, floats as they are."""
    return None if value is None or value != value else value if isinstance(value, float) else str(value)


def _behavior(talk: CheapTalk, player: int, mixture: Any) -> tuple[np.ndarray, np.ndarray]:
    """What a mixture of plans does step by step: says [known, messages] and acts [known, own, heard, strategies]."""
    weights = np.array(mixture)
    says, acts = talk.says[player], talk.acts[player]
    own = len(talk.messages) if player in talk.speakers else 1
    sent = np.zeros((says.shape[1], own), dtype=weights.dtype)
    done = np.zeros((says.shape[1], own, acts.shape[2], talk.shape[player]), dtype=weights.dtype)
    for plan in np.flatnonzero(weights > 0):
        for known, message in enumerate(says[plan]):
            sent[known, message] += weights[plan]
            done[known, message, np.arange(acts.shape[2]), acts[plan, known]] += weights[plan]
    never = sent == 0
    done = done / np.where(never, 1, sent)[..., None, None]
    done[never] = None if weights.dtype == object else np.nan
    return sent, done


def _messages(talk: CheapTalk, says: list[np.ndarray]) -> np.ndarray:
    """The probability of each state with each combination of messages: [states, *one axis a player]."""
    parts = []
    for state, weight in enumerate(talk.prior):
        joint = np.array(weight)
        for player, table in enumerate(says):
            joint = np.multiply.outer(joint, table[state if player == talk.informed else 0])
        parts.append(joint)
    return np.stack(parts)


def _heard(talk: CheapTalk, sent: np.ndarray, player: int) -> np.ndarray:
    """The probability of what the player knows, says and hears: [known states, own messages, heard]."""
    known = sent if player == talk.informed else sent.sum(axis=0, keepdims=True)
    # In Fortran's order the first of the others counts fastest, as `CheapTalk.acts` numbers what is heard.
    return np.moveaxis(known, player + 1, 1).reshape(*known.shape[:1], known.shape[player + 1], -1, order="F")


def _listening(heard: np.ndarray, acts: np.ndarray) -> float:
    """I(heard; action | known, own message) in bits."""
    total = 0.0
    for place in zip(*np.nonzero(heard.sum(axis=2) > 0), strict=True):
        joint = heard[place].astype(np.float64)[:, None] * acts[place].astype(np.float64)
        total += joint.sum() * _mutual_information(joint / joint.sum())
    return total


def _mutual_information(joint: np.ndarray) -> float:
    """In bits, of a joint distribution [rows, columns]."""
    product = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    live = joint > 0
    bits = float((joint[live] * np.log2(joint[live] / product[live])).sum())
    return bits if bits > SAME else 0.0


def _same(exact: bool) -> Callable[[np.ndarray, np.ndarray], bool]:
    if exact:
        return lambda one, other: bool((one == other).all())
    return lambda one, other: bool((np.abs((one - other).astype(np.float64)) <= SAME).all())


def _convention(sent: np.ndarray, prior: np.ndarray, same: Callable[[np.ndarray, np.ndarray], bool]) -> Convention:
    by_state = sent.reshape(len(sent), -1) / prior[:, None]
    if ((by_state > 0).sum(axis=0) <= 1).all():
        return "separating"
    return "pooling" if same(by_state, by_state[:1]) else "partial pooling"
