"""The record of `solve` in plain English: sentences made from its fields only, each with the numbers that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isclose, prod
from typing import Any

from marl.games.phrases import Numbers, Sentence, listed, name, play, quoted, tied_masses
from marl.games.solving import released
from marl.games.tree_words import tree_sentences

SHOWN = 3
"""Profiles of each kind that are named one by one."""

SAME = 1e-9
"""Welfares that differ by this share are one."""

Record = Mapping[str, Any]


def solution_sentences(record: Record) -> list[Sentence]:
    """The summary of a record of `marl.games.solution.solve`: [{"text", "numbers": {name: value}}], as in an analysis.

    Fields that were not asked for or are None are not spoken of, but every note is.
    """
    writers = (tree_sentences, _game, _dominance, _pure, _mixed, _components, _optimum, _prices, _selection, _ess)
    more = (_security, _correlated, _commitment, _bargaining, _uniform, _sinks, _alpha_rank, _agreement, _notes)
    return [sentence for writer in (*writers, *more) for sentence in writer(record)]


def _game(record: Record) -> Iterator[Sentence]:
    if record["strategies"] is None:
        return
    say, sizes = Numbers(), [len(own) for own in record["strategies"]]
    counts = [
        f"{name(player)} with {say.count(f'{player} strategies', size, 'strategy', 'strategies')}"
        for player, size in zip(record["players"], sizes, strict=True)
    ]
    subject, means = "The game", "a profile is one strategy for each player"
    if record.get("tree") is not None:
        subject = "As a normal form, with whole plans of play as strategies, it"
        means += "; “*” in a plan stands where the plan itself never leads"
    yield say.sentence(
        f"{subject} has {say.count('players', len(sizes), 'player')}, {listed(counts)}, which makes "
        f"{say.count('profiles', prod(sizes), 'profile')} ({means})."
    )


def _dominance(record: Record) -> Iterator[Sentence]:
    if record.get("dominance") is None:
        return
    say, held = Numbers(), record["dominance"]["strict"]
    dropped = [one for part in held["rounds"] for one in part]
    text = "A strategy is strictly dominated if a mixture of the player's others always pays more"
    if not dropped:
        yield say.sentence(f"{text}; here none is.")
        return
    parts = [_strategy(record, one["player"], one["strategy"]) for one in dropped[:SHOWN]]
    if len(dropped) > SHOWN:
        parts.append(f"{say('further dominated', len(dropped) - SHOWN)} more")
    left = prod(map(len, held["remaining"]))
    yield say.sentence(
        f"{text}. Dropping such strategies takes {say.count('rounds', len(held['rounds']), 'round')} and removes "
        f"{listed(parts)}; {say('remaining profiles', left)} of the profiles {'remains' if left == 1 else 'remain'}."
    )


def _pure(record: Record) -> Iterator[Sentence]:
    if record.get("pure") is None:
        return
    say, pure = Numbers(), record["pure"]
    text = (
        "A Nash equilibrium is a profile in which no player gains by switching alone. In pure strategies (no chance "
        f"involved) there {'is' if len(pure) == 1 else 'are'} {say('pure equilibria', len(pure))}"
    )
    if pure:
        parts = [_profile(record, profile) for profile in pure[:SHOWN]]
        if len(pure) > SHOWN:
            parts.append(f"{say('further pure equilibria', len(pure) - SHOWN)} more")
        text += f": {listed(parts)}"
    yield say.sentence(f"{text}.")


def _mixed(record: Record) -> Iterator[Sentence]:
    if record.get("mixed") is None:
        return
    say, found = Numbers(), record["mixed"]
    chance = [one for one in found if any(not _sure(own) for own in one["profile"])]
    exact = sum(one["exact"] for one in found)
    listing = say.count("equilibria", len(found), "equilibrium is", "equilibria are")
    text = (
        f"With mixed strategies (drawn at random) counted, {listing} listed "
        f"({say('mixing equilibria', len(chance))} with chance, {say('exact equilibria', exact)} exact"
    )
    if exact < len(found):
        rest = "in the others" if exact else "in them" if len(found) > 1 else "in it"
        text += f", and {rest} nobody gains more than {say('largest regret', max(map(_regret, found)))}"
    text += ")"
    end = {
        "yes": "the list is complete",
        "no": "the list is not complete",
        "unknown": "whether there are more is unknown",
    }
    if record["complete"] == "yes" and record["degenerate"] and len(found) > 1:
        end["yes"] = "every other equilibrium is a mixture of listed ones"
    yield say.sentence(f"{text}; {end[record['complete']]}.")


def _components(record: Record) -> Iterator[Sentence]:
    components = record.get("components")
    if not components or all(len(one["equilibria"]) == 1 for one in components):
        return
    say = Numbers()
    subsets = sum(len(one["maximal_nash_subsets"]) for one in components)
    yield say.sentence(
        f"The equilibria form {say.count('components', len(components), 'connected set')}, made of "
        f"{say.count('maximal Nash subsets', subsets, 'maximal Nash subset')} (sets in which any strategy of one "
        "player fits any of the other)."
    )


def _optimum(record: Record) -> Iterator[Sentence]:
    if record.get("max_welfare") is None:
        return
    say, efficient = Numbers(), record["pareto"]
    yield say.sentence(
        f"Welfare is the sum of the players' payoffs; it is largest, {say('max_welfare', record['max_welfare'])}, at "
        f"{_profile(record, record['social_optimum'])}. {say.count('pareto', len(efficient), 'profile')} "
        f"{'is' if len(efficient) == 1 else 'are'} Pareto efficient (no other pays someone more and nobody less)."
    )


def _prices(record: Record) -> Iterator[Sentence]:
    welfare = record.get("equilibrium_welfare")
    if welfare is None:
        return
    say, anarchy, stability = Numbers(), record["price_of_anarchy"], record["price_of_stability"]
    low, high = say("worst equilibrium welfare", welfare["min"]), say("best equilibrium welfare", welfare["max"])
    text = f"Of the equilibria listed the worst has welfare {low} and the best {high}"
    least, most = ("", "") if record["prices_are"] == "exact" else ("at least ", "at most ")
    for label, value, bound in (("anarchy", anarchy, least), ("stability", stability, most)):
        which = "worst" if label == "anarchy" else "best"
        text += f"; the price of {label} (how many times better the optimum is than the {which} one) is "
        text += (
            "undefined, as a ratio needs both positive or both negative"
            if value is None
            else f"{bound}{say(f'price of {label}', value)}"
        )
    yield say.sentence(f"{text}.")


def _selection(record: Record) -> Iterator[Sentence]:
    best = record.get("payoff_dominant")
    if best is not None:
        say = Numbers()
        paid = [say(f"{p} payoff", released(u)) for p, u in zip(record["players"], best["payoffs"], strict=True)]
        text = f"One equilibrium is payoff dominant: no other {_known(record)}pays any player more; it pays"
        yield say.sentence(f"{text} {listed(paid)}.")
    for one in (record.get("risk_dominance") or ())[:SHOWN]:
        say = Numbers()
        first, second = (_profile(record, profile) for profile in one["pair"])
        products = [say(f"product {k}", value) for k, value in enumerate(one["products"], start=1)]
        verdict = "neither risk dominates" if one["dominant"] is None else (
            f"{_profile(record, one['dominant'])} risk dominates (it is the safer one)"
        )  # fmt: skip
        yield say.sentence(
            f"Between {first} and {second}, {verdict}: the products of what the players lose by leaving alone are "
            f"{listed(products)}."
        )


def _ess(record: Record) -> Iterator[Sentence]:
    if record.get("ess") is None:
        return
    say, stable = Numbers(), record["ess"]
    some = say.count("ess", len(stable), "strategy is", "strategies are") if stable else "No strategy is"
    which = "one of them" if len(stable) > 1 else "it"
    text = f"{some} evolutionarily stable (a population that plays {which} keeps out every small group of mutants)"
    if stable:
        own = record["strategies"][0]
        parts = []
        for k, mixture in enumerate(stable[:SHOWN], start=1):
            played = [(s, released(p)) for s, p in enumerate(mixture) if released(p) > 0]
            shares = [f"{quoted(own[s])} with {say.share(f'ess {k} {own[s]}', p)}" for s, p in played]
            parts.append(listed(shares))
        text += f": {'; '.join(parts)}" + ("; and more" if len(stable) > SHOWN else "")
    yield say.sentence(f"{text}.")


def _security(record: Record) -> Iterator[Sentence]:
    if record.get("security_levels") is None or record.get("sequence_form") is not None:
        return  # the value of a zero-sum tree has been said
    say = Numbers()
    if record["zero_sum_value"] is not None:
        yield say.sentence(
            "The players' payoffs sum to a constant, so that one's gain is the other's loss; the value of the game "
            f"(what {name(record['players'][0])} gets with best play) is "
            f"{say('zero_sum_value', record['zero_sum_value'])}."
        )
        return
    parts = [
        f"{name(player)} {say(f'{player} security', level)}"
        for player, level in zip(record["players"], record["security_levels"], strict=True)
    ]
    yield say.sentence(f"Whatever the others do, a player can secure on average: {listed(parts)}.")


def _correlated(record: Record) -> Iterator[Sentence]:
    explained = {
        "correlated": "If a mediator recommends strategies that nobody gains by ignoring (a correlated equilibrium)",
        "coarse_correlated": "If players must decide to follow before they hear it (a coarse correlated equilibrium)",
    }
    for field, start in explained.items():
        if record.get(field) is not None:
            say, held = Numbers(), record[field]
            low, high = held["min_welfare"], held["max_welfare"]
            if isclose(low, high, rel_tol=SAME, abs_tol=0):
                welfare = f"is {say(f'{field} max', high)}"
            else:
                welfare = f"lies between {say(f'{field} min', low)} and {say(f'{field} max', high)}"
            fair = [released(payoff) for payoff in held["fairest_equilibrium"]["payoffs"]]
            yield say.sentence(
                f"{start}, welfare {welfare}; the fairest one pays everyone at least "
                f"{say(f'{field} least payoff', min(fair))}."
            )


def _commitment(record: Record) -> Iterator[Sentence]:
    if record.get("stackelberg") is None:
        return
    say, parts = Numbers(), []
    for one in record["stackelberg"]:
        leader = record["players"][one["leader"]]
        reply = _strategy(record, 1 - one["leader"], one["reply"])
        parts.append(f"{name(leader)} {say(f'{leader} as leader', one['leader_payoff'])} (answered by {reply})")
    yield say.sentence(
        "A player that can commit first to a mixture that the other sees (Stackelberg; ties go its way) gets "
        f"{listed(parts)}."
    )


def _bargaining(record: Record) -> Iterator[Sentence]:
    if record.get("nash_bargaining") is None:
        return
    say, found = Numbers(), record["nash_bargaining"]
    paid = [
        f"{name(player)} {say(f'{player} bargained', payoff)}"
        for player, payoff in zip(record["players"], found["payoffs"], strict=True)
    ]
    yield say.sentence(
        "If all bargain, and without an agreement get what each can secure alone, the Nash solution (the largest "
        f"product of gains) pays {listed(paid)}."
    )


def _uniform(record: Record) -> Iterator[Sentence]:
    if record.get("nash_conv") is None:
        return
    say, where = Numbers(), " at every information set" if record.get("tree") is not None else ""
    yield say.sentence(
        f"If all chose uniformly at random{where}, the players could gain by switching alone (their regrets) "
        f"{say('nash_conv', record['nash_conv'])} in total (the NashConv)."
    )


def _sinks(record: Record) -> Iterator[Sentence]:
    sinks = record.get("better_response_sinks")
    if sinks is None:
        return
    say = Numbers()
    sizes = listed(say(f"sink size {size}", size) for size in sorted({len(one) for one in sinks}))
    yield say.sentence(
        "When players switch one at a time to anything that pays more, play ends in a sink (profiles that such "
        f"switches never leave); there {'is' if len(sinks) == 1 else 'are'} {say.count('sinks', len(sinks), 'sink')} "
        f"of {sizes} profile{'s' if max(map(len, sinks)) > 1 else ''}."
    )


def _alpha_rank(record: Record) -> Iterator[Sentence]:
    found = record.get("alpha_rank")
    if found is None:
        return
    say, first, tied = Numbers(), found["masses"][0], tied_masses(found)
    alpha, population = say("alpha", found["alpha"]), say("population", found["population"])
    yield say.sentence(
        "Under alpha-rank (populations, one a player, in which rare mutants take over by what they earn; selection "
        f"intensity {alpha}, {population} members each) {'as much' if tied else 'more'} of the long run is spent at "
        f"{_profile(record, first['profile'])} {_than(say, tied)}: a share of {say('alpha-rank mass', first['mass'])}."
    )


def _than(say: Numbers, tied: int) -> str:
    return f"as at {say.count('tied profiles', tied, 'other')}, and less at the rest" if tied else "than at any other"


def _agreement(record: Record) -> Iterator[Sentence]:
    checks = record.get("agreement")
    if not checks:
        return
    say, differ = Numbers(), [one for one in checks if not one["agree"]]
    asked = say.count("second methods", len(checks), "question was", "questions were")
    if differ:
        parts = listed(quoted(one["methods"][-1]) for one in differ)
        yield say.sentence(f"{asked} put to a second method, and it differs for {parts}: treat the result with care.")
    else:
        yield say.sentence(f"{asked} put to a second method, too, with the same answer.")


def _notes(record: Record) -> Iterator[Sentence]:
    concepts: dict[str, list[str]] = {}
    for concept, reason in record["notes"].items():
        concepts.setdefault(reason, []).append(quoted(concept))
    for reason, unanswered in concepts.items():
        yield Numbers().sentence(f"No answer for {listed(unanswered)}: {quoted(reason)}.")


def _profile(record: Record, profile: Sequence[int]) -> str:
    return play(record["players"], record["strategies"], profile)


def _known(record: Record) -> str:
    """What to say of equilibria beside those listed, of which there may be more."""
    return "" if record.get("complete") == "yes" else "that was found "


def _strategy(record: Record, player: int, strategy: int) -> str:
    return f"{quoted(record['strategies'][player][strategy])} of {name(record['players'][player])}"


def _sure(own: Sequence[Any]) -> bool:
    return max(map(released, own)) == 1


def _regret(one: Mapping[str, Any]) -> float:
    return released(one["regret"])
