"""The analysis in plain English: sentences made from its fields only, each with the numbers that it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from math import prod
from typing import Any

import numpy as np

from marl.games.concept_words import concept_sentences
from marl.games.phrases import Numbers, Sentence, listed, name, play, quoted

SHOWN = 3


def sentences(analysis: Mapping[str, Any]) -> list[Sentence]:
    """The summary of an analysis (see `marl.games.summary.analyze`): [{"text", "numbers": {name: value}}].

    Names that are no identifiers stand in curly quotes, so that every other number in a text is one of `numbers`,
    rounded for reading; "%" marks a share.
    """
    writers = (
        _game,
        _learned,
        _regret,
        _verdict,
        _equilibria,
        _noise,
        _support,
        _intervals,
        _welfare,
        _prices,
        _graph,
        _refinement,
    )
    return [sentence for writer in writers for sentence in writer(analysis)] + concept_sentences(analysis)


def _game(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    game, say = analysis["game"], Numbers()
    sizes = [len(own) for own in game["strategies"]]
    played = [n for n in np.ravel(game["n"]).tolist() if n > 0]
    counts = [say(f"{p} strategies", k) for p, k in zip(game["players"], sizes, strict=True)]
    choices = f"{listed(counts)} strategies"
    if len(set(sizes)) == 1:
        choices = f"{counts[0]} {'strategy' if sizes[0] == 1 else 'strategies'}{' each' if len(sizes) > 1 else ''}"
    text = (
        f"The game has {say.count('players', len(sizes), 'player')}, {listed(map(name, game['players']))}, with "
        f"{choices}, which makes {say.count('profiles', prod(sizes), 'profile')} (a profile is one strategy "
        f"for each player). Each payoff is a mean over {say('fewest episodes', min(played))}"
    )
    most = max(played)
    text += " episodes." if most == min(played) else f" to {say('most episodes', most)} episodes."
    yield say.sentence(text)
    if analysis["missing"]:
        say = Numbers()
        count = say.count("missing profiles", len(analysis["missing"]), "profile was", "profiles were")
        yield say.sentence(f"{count} never played, and nothing is assumed about the payoffs there.")
    constant = int(np.all(np.array(game["standard_error"], dtype=object) == 0, axis=0).sum())
    if constant:
        say = Numbers()
        count = say.count("constant profiles", constant, "profile")
        yield say.sentence(f"In {count} no payoff ever varied; these payoffs are taken as known for sure.")


def _learned(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    learned, say = analysis["learned"], Numbers()
    rows = zip(analysis["game"]["players"], learned["payoffs"], learned["standard_error"], strict=True)
    parts = [f"{name(p)} gets {say(f'{p} payoff', u)} ± {say(f'{p} standard error', e)}" for p, u, e in rows]
    profile = _profile(analysis, learned["profile"])
    yield say.sentence(f"In the learned profile, {profile}, {listed(parts)} (± one standard error).")


def _intervals(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    """How well all mean payoffs are known at once."""
    game, learned, say = analysis["game"], analysis["learned"], Numbers()
    low, mean, high = (np.array(game[end], dtype=float) for end in ("low", "mean", "high"))
    if not np.nanmax(high - low) > 0:
        return
    place = tuple(learned["profile"])
    parts = [
        f"{say(f'{p} payoff low', low[i][place])} to {say(f'{p} payoff high', high[i][place])} for {name(p)}"
        for i, p in enumerate(game["players"])
    ]
    yield say.sentence(
        f"Intervals that hold for all {say('mean payoffs', int((~np.isnan(mean)).sum()))} mean payoffs at once with "
        f"{say.share('confidence', analysis['confidence'])} confidence reach at most "
        f"{say('widest margin', float(np.nanmax(high - mean)))} to either side; in the learned profile they are "
        f"{listed(parts)}."
    )


def _regret(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    learned, say = analysis["learned"], Numbers()
    parts = [
        f"{say(f'{p} regret', own['mean'])} ({say(f'{p} regret low', own['low'])} to "
        f"{say(f'{p} regret high', own['high'])}) for {name(p)}"
        for p, own in learned["regret"].items()
    ]
    total = learned["nash_conv"]
    yield say.sentence(
        "A player's regret is what it could gain by switching alone to another strategy of this game. In the learned "
        f"profile the regrets are {listed(parts)}; their sum, the NashConv, is {say('nash_conv', total['mean'])} "
        f"({say('nash_conv low', total['low'])} to {say('nash_conv high', total['high'])}). All these "
        f"intervals hold at once with {say.share('confidence', analysis['confidence'])} confidence."
    )


def _verdict(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    learned, say = analysis["learned"], Numbers()
    gainers = {p: own for p, own in learned["regret"].items() if own["low"] > 0}
    unplayed = {p: names for p, names in learned["unplayed_switches"].items() if names}
    alone = "by any switch alone that was played" if unplayed else "by switching alone"
    epsilon = max(own["high"] for own in learned["regret"].values())
    if gainers:
        parts = [
            f"{name(p)} gains at least {say(f'{p} regret low', own['low'])} by switching alone (most, it seems, to "
            f"{quoted(own['best_response'])})"
            for p, own in gainers.items()
        ]
        text = f"The learned profile is not an equilibrium of this game: {'; and '.join(parts)}."
    elif epsilon == 0:
        text = f"No player gains {alone}: no interval reaches above zero."
    else:
        text = (
            f"No player gains {alone}, within the noise: every interval reaches down to zero. A gain of up to "
            f"{say('epsilon', epsilon)} is not excluded"
        )
        text += "." if unplayed else " (the learned profile is an epsilon-equilibrium with that number as epsilon)."
    yield say.sentence(text)
    if unplayed:
        parts = [f"{name(p)} by switching to {listed(map(quoted, names), 'or')}" for p, names in unplayed.items()]
        yield Numbers().sentence(f"Unknown, because never played, is what would be gained by {listed(parts, 'or')}.")


def _equilibria(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    pure, mixed, say = analysis["pure"], analysis["mixed"], Numbers()
    where = "The played profiles prove" if analysis["missing"] else "The game of mean payoffs has"
    text = (
        f"A Nash equilibrium is a profile in which no player gains by switching alone. {where} "
        f"{say.count('pure equilibria', len(pure), 'pure equilibrium', 'pure equilibria')} (no chance involved) and "
        f"{say.count('mixed equilibria', len(mixed), 'mixed one')} (some strategies drawn at random)"
    )
    end = {"yes": "there are no others", "no": "there are others", "unknown": "whether there are others is unknown"}
    if analysis["complete"] == "yes" and _continuum(analysis):
        end["yes"] = "mixtures of those that share a strategy are equilibria too, and beyond these there are no others"
    yield say.sentence(f"{text}; {end[analysis['complete']]}.")
    if pure:
        say, players = Numbers(), analysis["game"]["players"]
        parts = []
        for k, profile in enumerate(pure[:SHOWN], start=1):
            own = [say(f"pure {k} {p} payoff", u) for p, u in zip(players, _payoffs(analysis, profile), strict=True)]
            parts.append(f"{_profile(analysis, profile)}, paying {listed(own)}")
        more = f"; and {say('further pure equilibria', len(pure) - SHOWN)} more" if len(pure) > SHOWN else ""
        yield say.sentence(f"In pure strategies: {'; '.join(parts)}{more}.")
    known = "is one" if analysis["learned"]["profile"] in pure else "is not one"
    if analysis["missing"] and analysis["learned"]["profile"] not in pure:
        known = "is not proved to be one"
    yield Numbers().sentence(f"The learned profile {known} of the pure equilibria of the mean payoffs.")


def _noise(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    bounds = [*analysis["pure_epsilon"], *(one["epsilon"] for one in analysis["mixed"])]
    if bounds:
        say = Numbers()
        yield say.sentence(
            "These are equilibria of estimated payoffs: in the true game no player gains more than "
            f"{say('largest epsilon', max(bounds))} by switching away from one of them, with "
            f"{say.share('confidence', analysis['confidence'])} confidence for each equilibrium taken alone."
        )


def _support(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    """How likely each of the first equilibria is one in the true game."""
    named = [
        (_profile(analysis, p), c) for p, c in zip(analysis["pure"], analysis["pure_support_probability"], strict=True)
    ]
    named += [(_drawn_from(analysis, one["support"]), one["support_probability"]) for one in analysis["mixed"]]
    known, say = [(words, chance) for words, chance in named if chance is not None], Numbers()
    if not known:
        return
    parts = [f"{say.share(f'support probability {k}', c)} for {words}" for k, (words, c) in enumerate(known[:SHOWN], 1)]
    yield say.sentence(
        "The probability that the true game has an equilibrium of just these strategies (the share of games drawn "
        f"from what the episodes leave possible) is {listed(parts)}."
    )


def _drawn_from(analysis: Mapping[str, Any], support: Sequence[Sequence[int]]) -> str:
    game = analysis["game"]
    rows = zip(game["players"], game["strategies"], support, strict=True)
    parts = [f"{name(player)} {listed((quoted(own[s]) for s in used), 'or')}" for player, own, used in rows]
    return f"({', '.join(parts)})"


def _welfare(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    best, say = analysis["social_optimum"], Numbers()
    among = "played profile" if analysis["missing"] else "profile"
    yield say.sentence(
        f"Welfare is the sum of the players' payoffs. It is largest, {say('optimum welfare', best['welfare'])}, at the "
        f"{among} {_profile(analysis, best['profile'])}, the social optimum; the learned profile has "
        f"{say('learned welfare', sum(analysis['learned']['payoffs']))}."
    )


def _prices(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    welfare = [sum(_payoffs(analysis, p)) for p in analysis["pure"]] + [sum(m["payoffs"]) for m in analysis["mixed"]]
    if analysis["missing"]:
        text = "The price of anarchy (the optimum's welfare divided by the worst equilibrium's) is unknown"
        yield Numbers().sentence(f"{text} while profiles are missing.")
    if analysis["missing"] or not welfare:
        return
    say, anarchy, stability = Numbers(), analysis["price_of_anarchy"], analysis["price_of_stability"]
    complete = analysis["complete"] == "yes"
    text = (
        f"Of these equilibria the worst has welfare {say('worst equilibrium welfare', min(welfare))} and the best "
        f"{say('best equilibrium welfare', max(welfare))}. The price of anarchy "
    )
    if analysis["social_optimum"]["welfare"] < 0:
        text += "(all welfare being negative, the worst one's loss divided by the optimum's) "
    else:
        text += "(the optimum's welfare divided by the worst one's) "
    if anarchy is None:
        text += "is undefined, because a ratio needs both to be positive or both negative"
    else:
        text += f"is {'' if complete else 'at least '}{say('price of anarchy', anarchy)}"
    if stability is None:
        text += "; so is the price of stability (the same with the best one)."
    else:
        bound = "" if complete else "at most "
        text += (
            f"; the price of stability (the same with the best one) is {bound}{say('price of stability', stability)}."
        )
    yield say.sentence(text)


def _graph(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    say, sinks = Numbers(), analysis["sinks"]
    learned = next(node["id"] for node in analysis["response_graph"]["nodes"] if node["learned"])
    inside = any(learned in sink for sink in sinks)
    sizes = listed(say(f"sink size {size}", size) for size in sorted({len(sink) for sink in sinks}))
    noun = "profile" if max(map(len, sinks)) == 1 else "profiles"
    among = " that was played" if analysis["missing"] else ""
    where = "in a sink" if inside else "in none, so that best responses lead away from it"
    yield say.sentence(
        f"When players switch one at a time to a best response{among}, by the mean payoffs, play ends in a sink (a set "
        f"of profiles that best responses never leave). Here there {'is' if len(sinks) == 1 else 'are'} "
        f"{say.count('sinks', len(sinks), 'sink')} of {sizes} {noun}; the learned profile lies {where}."
    )


def _refinement(analysis: Mapping[str, Any]) -> Iterator[Sentence]:
    """What is undecided, and what would decide it."""
    plan, say = analysis["refinement"], Numbers()
    asked = f"whether a switch from the learned profile{' or a pure equilibrium' if analysis['pure'] else ''} gains"
    tolerance = f"a gain of up to {say('tolerance', plan['tolerance'])} counting as none"
    if not plan["undecided"]:
        switches = say.count("questions", plan["questions"], "switch", "switches")
        yield say.sentence(f"Decided is {asked}, {tolerance}, for all of {switches}.")
        return
    first, total = plan["profiles"][0], sum(one["more"] for one in plan["profiles"])
    open_ones = f"{say('undecided', plan['undecided'])} of {say('questions', plan['questions'])} switches"
    yield say.sentence(
        f"Undecided is {asked}, {tolerance}, for {open_ones}. If the means are right, "
        f"{say('more episodes', total)} more episodes in "
        f"{say.count('profiles to play', len(plan['profiles']), 'profile')} would decide it; none needs more than the "
        f"{say('most more episodes', first['more'])} of {_profile(analysis, first['profile'])}."
    )


def _continuum(analysis: Mapping[str, Any]) -> bool:
    """Whether two equilibria of a two-player game share one player's side, or one player has two best strategies: their
    mixtures are equilibria too.
    """
    sizes = [len(own) for own in analysis["game"]["strategies"]]
    if len(sizes) != 2:
        return len(sizes) == 1 and len(analysis["pure"]) > 1
    sides = [[[float(s == own) for s in range(k)] for own, k in zip(p, sizes, strict=True)] for p in analysis["pure"]]
    sides += [one["profile"] for one in analysis["mixed"]]
    return any(a[i] == b[i] for (a, b), i in product(combinations(sides, 2), range(2)))


def _payoffs(analysis: Mapping[str, Any], profile: Sequence[int]) -> list[float]:
    return [float(np.array(tensor, dtype=object)[tuple(profile)]) for tensor in analysis["game"]["mean"]]


def _profile(analysis: Mapping[str, Any], profile: Sequence[int]) -> str:
    game = analysis["game"]
    return play(game["players"], game["strategies"], profile)
