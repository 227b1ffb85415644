"""What `solve_cheap_talk` found in plain English: sentences made from its fields only, with the numbers they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from marl.games.phrases import Numbers, Sentence, listed, name, quoted

Record = Mapping[str, Any]

MEANINGS = {
    "babbling": "babbling (nobody's play depends on what others say)",
    "off path": "off path (it depends only on messages that are never sent)",
    "informative": "informative (it depends on messages that are sent)",
}
CONVENTIONS = {
    "separating": "each message tells the state (separating)",
    "partial pooling": "messages tell something about the state, and not all (partial pooling)",
    "pooling": "messages tell nothing about the state (pooling)",
}


def talk_sentences(record: Record) -> list[Sentence]:
    """The summary of a record: [{"text", "numbers": {name: value}}], as in an analysis."""
    writers = (_setting, _kinds, _payoffs, _best)
    return [sentence for writer in writers for sentence in writer(record)]


def _setting(record: Record) -> Iterator[Sentence]:
    say = Numbers()
    speakers = listed(name(record["players"][one]) for one in record["speakers"])
    each = "each say" if len(record["speakers"]) > 1 else "says"
    text = f"Before they play, {speakers} {each} one of {say.count('messages', len(record['messages']), 'message')}"
    text += ", which costs nothing and binds nobody"
    if record["informed"] is not None:
        knows = name(record["players"][record["informed"]])
        text += f"; only {knows} knows which of {say('states', len(record['states']))} states holds"
    sizes = [say(f"{p} plans", len(own)) for p, own in zip(record["players"], record["plans"], strict=True)]
    yield say.sentence(f"{text}. With what they say and do, the players have {listed(sizes)} plans.")


def _kinds(record: Record) -> Iterator[Sentence]:
    say, counts = Numbers(), {kind: len(_of(record, kind)) for kind in MEANINGS}
    parts = [f"{say(f'{kind} equilibria', counts[kind])} {words}" for kind, words in MEANINGS.items()]
    total = len(record["equilibria"])
    extreme = "extreme equilibri" if len(record["players"]) == 2 else "equilibri"
    found = say.count("equilibria", total, f"{extreme}um", f"{extreme}a")
    yield say.sentence(f"The extended game has {found}: {'; '.join(parts)}.")
    ends = {"yes": "There are no others", "no": "There are others", "unknown": "Whether there are others is unknown"}
    text = ends[record["complete"]]
    if record["complete"] == "yes" and record["degenerate"]:
        text += " beside mixtures of those that share a player's part; such a mixture of messages can be informative "
        text += "where its parts are not"
    yield Numbers().sentence(f"{text}.")


def _payoffs(record: Record) -> Iterator[Sentence]:
    say, parts = Numbers(), []
    for kind in MEANINGS:
        sums = [sum(map(_number, one["payoffs"])) for one in _of(record, kind)]
        if sums:
            low, high = say(f"{kind} least", min(sums)), say(f"{kind} most", max(sums))
            parts.append(f"{low} in the {kind} ones" if low == high else f"{low} to {high} in the {kind} ones")
    if parts:
        yield say.sentence(f"Welfare, the sum of all payoffs, is {listed(parts)}.")


def _best(record: Record) -> Iterator[Sentence]:
    """The informative equilibrium with the largest welfare: what is told, said and done."""
    informative = _of(record, "informative")
    if not informative:
        return
    best = max(informative, key=lambda one: sum(map(_number, one["payoffs"])))
    say, players = Numbers(), record["players"]
    paid = [
        f"{say(f'best {player} payoff', _number(payoff))} to {name(player)}"
        for player, payoff in zip(players, best["payoffs"], strict=True)
    ]
    text = f"The best informative one of these pays {listed(paid)}"
    if best["convention"] is not None:
        text += f"; {CONVENTIONS[best['convention']]}, {_bits(say, 'best state bits', best['state_bits'])}"
    heard = [
        f"{_bits(say, f'best {player} heard', bits)} for {name(player)}"
        for player, bits in zip(players, best["heard_bits"], strict=True)
        if bits
    ]
    yield say.sentence(f"{text}. What play owes to what was heard: {listed(heard or ['less than can be measured'])}.")
    said = [
        f"{name(players[speaker])} says {_mixture(record['messages'], row)}{_in(record, speaker, known)}"
        for speaker in record["speakers"]
        for known, row in enumerate(best["says"][speaker])
    ]
    if all(_sure(row) for speaker in record["speakers"] for row in best["says"][speaker]):
        done = list(_replies(record, best))
        yield Numbers().sentence(f"In it {listed([*said, *done])}.")


def _replies(record: Record, one: Mapping[str, Any]) -> Iterator[str]:
    """What each player with a choice does, where nobody mixes: after the messages that are heard alone."""
    count = len(record["messages"])
    sent = [{row.index(max(row, key=_number)) for row in own} if own else {0} for own in one["says"]]
    for player, table in enumerate(one["acts"]):
        names, others = record["strategies"][player], [s for s in record["speakers"] if s != player]
        for known, own in enumerate(table if len(names) > 1 else []):
            for message in sorted(sent[player]) if own else ():
                for heard, row in enumerate(own[message]):
                    parts = [heard // count**k % count for k in range(len(others))]
                    told = all(part in sent[speaker] for part, speaker in zip(parts, others, strict=True))
                    if told and row[0] is not None and _sure(row):
                        after = " and ".join(quoted(record["messages"][part]) for part in parts)
                        words = f"{name(record['players'][player])} plays {_mixture(names, row)}"
                        yield words + _in(record, player, known) + (f" after {after}" if parts else "")


def _bits(say: Numbers, called: str, bits: float) -> str:
    return f"{say(called, round(bits, 9))} bit{'' if abs(bits - 1) < 1e-9 else 's'}"


def _in(record: Record, player: int, known: int) -> str:
    return f" in {quoted(record['states'][known])}" if player == record["informed"] else ""


def _mixture(names: Sequence[str], row: Sequence[Any]) -> str:
    return quoted(names[max(range(len(row)), key=lambda k: _number(row[k]))])


def _sure(row: Sequence[Any]) -> bool:
    return max(map(_number, row)) == 1


def _of(record: Record, kind: str) -> list[Mapping[str, Any]]:
    return [one for one in record["equilibria"] if one["kind"] == kind]


def _number(value: str | float) -> float:
    return float(Fraction(value)) if isinstance(value, str) else value
