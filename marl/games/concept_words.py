"""The concepts of an estimated game in plain English: what the means say, and in how many drawn games it holds too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any

from marl.games.phrases import Numbers, Sentence, listed, name, play, quoted, tied_masses

SHOWN = 3
"""Claims of each kind that are told one by one."""

Record = Mapping[str, Any]
Entry = Mapping[str, Any]


def concept_sentences(analysis: Record) -> list[Sentence]:
    """Sentences about `concepts` of an analysis (`marl.games.estimate`), made from its fields only; none without it."""
    if analysis.get("concepts") is None:
        return []
    told = Told(analysis)
    writers = (
        _left_out,
        _draws,
        _dominance,
        _optimum,
        _pareto,
        _prices,
        _selection,
        _stable,
        _sinks,
        _alpha_rank,
        _correlated,
        _security,
        _commitment,
        _bargaining,
        _notes,
    )
    return [sentence for writer in writers for sentence in writer(told)]


def label(entry: Entry) -> str:
    """How a claim or a number is called: what it says, and of whom."""
    whose = {"player", "leader", "strategy", "profile", "over", "support", "profiles"}
    values = [str(value).replace(" ", "") for key, value in entry.items() if key in whose]
    return " ".join([entry["concept"], entry.get("claim") or entry["number"], *values])


class Told:
    """The record with the questions that its sentences ask."""

    def __init__(self, analysis: Record) -> None:
        self.record: Record = analysis["concepts"]
        self.players: Sequence[str] = analysis["game"]["players"]
        self.strategies: Sequence[Sequence[str]] = analysis["game"]["strategies"]
        self.sizes = [len(own) for own in self.strategies]

    def claims(self, claim: str, holds: bool = True) -> list[Entry]:
        """What is claimed of the mean payoffs, or of drawn games only."""
        return [one for one in self.record["claims"] if one["claim"] == claim and one["holds"] == holds]

    def numbers(self, concept: str, number: str) -> list[Entry]:
        """The numbers of that name."""
        return [one for one in self.record["numbers"] if (one["concept"], one["number"]) == (concept, number)]

    def profile(self, profile: Sequence[int]) -> str:
        """A profile by the names of players and strategies."""
        return play(self.players, self.strategies, profile)

    def sure(self, say: Numbers, one: Entry) -> str:
        """In how many drawn games a claim holds, in brackets; nothing where none vary."""
        if self.record["wanted"] < 2 or one["probability"] is None:
            return ""
        return f" ({say.share(f'{label(one)} probability', one['probability'])})"

    def valued(self, say: Numbers, one: Entry) -> str:
        """A number and its interval."""
        if one["estimate"] is None:
            return "undefined"
        text = say(label(one), one["estimate"])
        parts = []
        if one["low"] is not None and not one["low"] == one["high"] == one["estimate"]:
            parts.append(f"{say(f'{label(one)} low', one['low'])} to {say(f'{label(one)} high', one['high'])}")
        if one["defined"] is not None and one["defined"] < 1:
            parts.append(f"undefined in {say.share(f'{label(one)} undefined', 1 - one['defined'])}")
        return f"{text} ({', '.join(parts)})" if parts else text

    def rivals(self, say: Numbers, claim: str) -> str:
        """What stands in the place of a claim in other drawn games."""
        others = [f"{self.profile(one['profile'])}{self.sure(say, one)}" for one in self.claims(claim, False)[:SHOWN]]
        return f"; elsewhere, among others, {listed(others)}" if others else ""


def _left_out(told: Told) -> Iterator[Sentence]:
    if told.record["left_out"]:
        say = Numbers()
        profiles = _first(say, told.record["missing"], told.profile, "missing profiles")
        concepts = listed(map(quoted, told.record["left_out"]))
        yield say.sentence(
            f"Left out are concepts that need the payoffs of all profiles ({concepts}): nothing is known of {profiles}."
        )


def _draws(told: Told) -> Iterator[Sentence]:
    record, say = told.record, Numbers()
    if record["solution"] is None or record["wanted"] == 1:
        return
    if not record["wanted"]:
        yield say.sentence(
            "The concepts that follow are told of the mean payoffs alone: these are too many for saying how sure it is."
        )
        return
    yield say.sentence(
        "The concepts that follow are told of the mean payoffs, each with the share, in brackets, of "
        f"{say('drawn games', record['wanted'])} games drawn from what the episodes leave possible in which it holds "
        f"too; intervals hold a number in {say.share('drawn confidence', record['confidence'])} of these games."
    )


def _dominance(told: Told) -> Iterator[Sentence]:
    say, text = Numbers(), "A strategy is strictly dominated if a mixture of the player's others always pays more"
    for one in told.claims("nothing_dominated"):
        yield say.sentence(f"{text}; here none is{told.sure(say, one)}, so that every strategy is rationalizable.")
    dropped = told.claims("dominated")
    if not dropped:
        return
    parts = _first(
        say, dropped, lambda one: f"{_strategy(told, one['player'], one['strategy'])}{told.sure(say, one)}", "dominated"
    )
    left = prod(map(len, told.record["solution"]["rationalizable"]))
    text += f". Dropping such strategies again and again removes {parts}; "
    solved = told.claims("dominance_solvable")
    if solved:
        text += f"what is left, all that is rationalizable, is {told.profile(solved[0]['profile'])}"
        yield say.sentence(f"{text}{told.sure(say, solved[0])}.")
    else:
        yield say.sentence(
            f"{text}{say('rationalizable profiles', left)} profiles are left, all that is rationalizable."
        )


def _optimum(told: Told) -> Iterator[Sentence]:
    for one in told.claims("social_optimum"):
        say = Numbers()
        (welfare,) = told.numbers("welfare", "max_welfare")
        rivals = told.rivals(say, "social_optimum")
        yield say.sentence(
            f"The social optimum is {told.profile(one['profile'])}{told.sure(say, one)}{rivals}; the largest "
            f"welfare is {told.valued(say, welfare)}."
        )


def _pareto(told: Told) -> Iterator[Sentence]:
    efficient = told.claims("pareto_efficient")
    if not efficient:
        return
    say = Numbers()
    parts = _first(say, efficient, lambda one: f"{told.profile(one['profile'])}{told.sure(say, one)}", "efficient")
    verb = "is" if len(efficient) == 1 else "are"
    yield say.sentence(f"Pareto efficient (no other profile pays someone more and nobody less) {verb} {parts}.")


def _prices(told: Told) -> Iterator[Sentence]:
    stated = [told.numbers("prices", f"price_of_{which}") for which in ("anarchy", "stability")]
    if all(own and own[0]["estimate"] is not None for own in stated):
        say = Numbers()
        (anarchy,), (stability,) = stated
        end = "" if told.record["solution"]["prices_are"] == "exact" else ", both bounds, as equilibria may be missing"
        yield say.sentence(
            f"The price of anarchy is {told.valued(say, anarchy)}, that of stability {told.valued(say, stability)}"
            f"{end}."
        )


def _selection(told: Told) -> Iterator[Sentence]:
    complete = (told.record["solution"] or {}).get("complete") == "yes"
    for one in told.claims("payoff_dominant"):
        say = Numbers()
        text = f"{_support(told, one['support'])} is payoff dominant{told.sure(say, one)}"
        other = "no other equilibrium" if complete else "no other equilibrium that was found"
        yield say.sentence(f"{text}: {other} pays any player more.")
    for one in told.claims("nothing_payoff_dominant"):
        if len(told.record["solution"]["mixed"] or ()) < 2:
            break  # with one equilibrium there is nothing to choose among
        say = Numbers()
        text = "No equilibrium" if complete else "No equilibrium that was found"
        text += " is payoff dominant (pays nobody less than any other, and somebody more)"
        yield say.sentence(f"{text}{told.sure(say, one)}.")
    compared = told.claims("risk_dominant")
    for k, one in enumerate(compared[:SHOWN]):
        say = Numbers()
        what = ": what its players lose by leaving alone has the larger product" if k == 0 else ""
        yield say.sentence(
            f"{told.profile(one['profile'])} risk dominates {told.profile(one['over'])}{told.sure(say, one)}{what}."
        )


def _stable(told: Told) -> Iterator[Sentence]:
    symmetry, stable = told.record["symmetry"], told.claims("evolutionarily_stable")
    if symmetry is not None and symmetry["fits"] and told.record["solution"]["ess"] is not None:
        say = Numbers()
        text = "As both seats have the same strategies, and their payoffs differ by no more than chance allows "
        text += f"(where it fits least by {say('largest gap', symmetry['largest_gap'])}, allowed are "
        text += f"{say('gap allowed', symmetry['margin'])}), the game is taken for a symmetric one"
        if stable:
            found = _first(
                say, stable, lambda one: f"{_mixture(told, 0, one['support'])}{told.sure(say, one)}", "stable"
            )
        else:
            nothing = told.claims("nothing_evolutionarily_stable")
            found = f"nothing{''.join(told.sure(say, one) for one in nothing)}"
        yield say.sentence(
            f"{text}; evolutionarily stable (a population that plays it keeps out every small group of mutants) is "
            f"{found}."
        )


def _sinks(told: Told) -> Iterator[Sentence]:
    sinks = told.claims("better_response_sink")
    if not sinks:
        return
    say = Numbers()
    parts = _first(
        say, sinks, lambda one: f"{{{listed(map(told.profile, one['profiles']))}}}{told.sure(say, one)}", "sinks"
    )
    yield say.sentence(
        "When a player may switch to anything that pays more, not only to a best response, the "
        f"{'sink of play is' if len(sinks) == 1 else 'sinks of play are'} {parts}."
    )


def _alpha_rank(told: Told) -> Iterator[Sentence]:
    for top in told.claims("alpha_rank_top"):
        say, found = Numbers(), told.record["solution"]["alpha_rank"]
        masses = [one for one in told.numbers("alpha_rank", "alpha_rank_mass") if one["profile"] == top["profile"]]
        share = f", with the share {told.valued(say, masses[0])} of the long run" if masses else ""
        tied = tied_masses(found)
        tie = f", as high as {say.count('tied profiles', tied, 'other')}" if tied else ""
        yield say.sentence(
            "Alpha-rank (populations, one a player, in which rare mutants take over by what they earn; selection "
            f"intensity {say('alpha', found['alpha'])}, {say('population', found['population'])} members each) puts "
            f"{told.profile(top['profile'])} first{tie}{told.sure(say, top)}{share}"
            f"{told.rivals(say, 'alpha_rank_top')}."
        )


def _correlated(told: Told) -> Iterator[Sentence]:
    explained = {
        "correlated": "If a mediator recommends strategies that nobody gains by ignoring (a correlated equilibrium)",
        "coarse_correlated": "If players must decide to follow before they hear it (a coarse correlated equilibrium)",
    }
    for concept, start in explained.items():
        ends = [told.numbers(concept, end) for end in ("min_welfare", "max_welfare")]
        if all(ends):
            say = Numbers()
            low, high = (told.valued(say, end[0]) for end in ends)
            yield say.sentence(f"{start}, welfare is {low} at least and {high} at most.")


def _security(told: Told) -> Iterator[Sentence]:
    levels = told.numbers("security", "security_level")
    if levels:
        say = Numbers()
        parts = [f"{name(told.players[one['player']])} {told.valued(say, one)}" for one in levels]
        yield say.sentence(f"Whatever the others do, a player can secure on average: {listed(parts)}.")


def _commitment(told: Told) -> Iterator[Sentence]:
    paid, say = told.numbers("commitment", "leader_payoff"), Numbers()
    parts = []
    for one, reply in zip(paid, told.claims("reply_to_leader"), strict=False):
        answer = f"answered by {_strategy(told, 1 - reply['leader'], reply['strategy'])}{told.sure(say, reply)}"
        parts.append(f"{name(told.players[one['player']])} {told.valued(say, one)}, {answer}")
    if parts:
        yield say.sentence(
            "A player that can commit first to a mixture that the other sees (Stackelberg; ties go its way) gets: "
            f"{'; '.join(parts)}."
        )


def _bargaining(told: Told) -> Iterator[Sentence]:
    paid = told.numbers("bargaining", "bargained_payoff")
    if paid:
        say = Numbers()
        parts = [f"{name(told.players[one['player']])} {told.valued(say, one)}" for one in paid]
        yield say.sentence(
            "If all bargain, and without an agreement get what each can secure alone, the Nash solution (the largest "
            f"product of gains) pays {listed(parts)}."
        )


def _notes(told: Told) -> Iterator[Sentence]:
    record = told.record
    for concept, reason in (record["solution"] or {"notes": {}})["notes"].items():
        yield Numbers().sentence(f"No answer for {quoted(concept)}: {quoted(reason)}.")
    few = {concept: count for concept, count in record["draws"].items() if count < record["wanted"]}
    if few:
        say = Numbers()
        parts = [f"{quoted(concept)} ({say(f'{concept} draws', count)})" for concept, count in few.items()]
        yield say.sentence(f"The time allowed did not suffice for all drawn games, but for so many of {listed(parts)}.")


def _first(say: Numbers, entries: Sequence[Any], tell: Callable[[Any], str], kind: str) -> str:
    """The first SHOWN of the entries as `tell` puts them, and how many more there are."""
    parts = [tell(one) for one in entries[:SHOWN]]
    if len(entries) > SHOWN:
        parts.append(f"{say(f'further {kind}', len(entries) - SHOWN)} more")
    return listed(parts)


def _strategy(told: Told, player: int, strategy: int) -> str:
    return f"{quoted(told.strategies[player][strategy])} of {name(told.players[player])}"


def _mixture(told: Told, player: int, support: Sequence[int]) -> str:
    played = listed(quoted(told.strategies[player][s]) for s in support)
    return played if len(support) == 1 else f"a mixture of {played}"


def _support(told: Told, support: Sequence[Sequence[int]]) -> str:
    parts = [f"{name(told.players[player])} {_mixture(told, player, own)}" for player, own in enumerate(support)]
    return f"({', '.join(parts)})"
