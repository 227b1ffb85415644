"""The verdict: which equilibrium each arm reached, what the messages caused, and what the convention is, in words.

Every number printed stands under its JSON Pointer in the sentence's `numbers`. Nothing is claimed that the intervals
and p-values of the same file do not carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from marl.communication.sentence import pointer, sentence

Sentence = dict[str, Any]

MOST_LISTED = 6
_INTERVAL = "{confidence:%} interval {low} to {high}"
_EARNED = "{mean} per agent and episode (" + _INTERVAL + ")"
_COUNTS = ("unique_messages", "told_apart", "classes", "situations")
_SUBJECTS = {
    "normal": "With the channel",
    "off": "With the same policies and the channel off",
    "scrambled": "With the same policies and scrambled messages",
    "deaf": "With the same policies, who speak and are not heard",
    "silent_twin": "After training without the channel",
    "untrained": "Before training",
}
_CAUSES = {
    "scrambled": "What the messages say is worth {mean} per agent and episode{evidence}: that much is lost when each "
    "message is replaced by one of the same sender's from another episode.",
    "off": "Being able to talk is worth {mean} to these policies{evidence}.",
    "deaf": "Being heard is worth {mean} to these policies{evidence}.",
    "silent_twin": "Training with the channel instead of without it is worth {mean} per agent and episode{evidence}.",
    "untrained": "Training is worth {mean} per agent and episode{evidence}.",
}
_NO_EFFECTS = {
    "scrambled": "What the messages say makes no difference that can be told from chance: replacing each by one of the "
    "same sender's from another episode moves the payoff by {mean}{evidence}.",
    "off": "Being able to talk makes these policies no difference that can be told from chance: {mean}{evidence}.",
    "deaf": "Being heard makes these policies no difference that can be told from chance: {mean}{evidence}.",
    "silent_twin": "Training with or without the channel makes no difference that can be told from chance: "
    "{mean}{evidence}.",
    "untrained": "Training makes no difference that can be told from chance: {mean}{evidence}.",
}
_FAILURES = {
    "parse_failures": "replies that named no legal action: {parse_failures}",
    "failed_calls": "calls of a server that brought no reply: {failed_calls}",
    "failed_episodes": "episodes that failed: {failed_episodes}",
}


def verdict(evaluation: Mapping[str, Any]) -> list[Sentence]:
    """The sentences for `evaluation`, which must hold "arms", "differences", "communication" and "confidence"."""
    arms = [arm for arm in _SUBJECTS if arm in evaluation["arms"]]
    arms += [arm for arm in evaluation["arms"] if arm not in _SUBJECTS]
    explained: set[str] = set()
    twin = [arm for arm in arms if arm == "silent_twin"]
    sentences = [_reached(evaluation, "normal", explained), *_bounds(evaluation)]
    sentences += [_reached(evaluation, arm, explained) for arm in twin]
    causes = [arm for arm in _CAUSES if f"normal-{arm}" in evaluation["differences"]]
    sentences += [_caused(evaluation, arm) for arm in causes if arm != "untrained"]
    sentences += _conventions(evaluation)
    sentences += [_reached(evaluation, arm, explained) for arm in arms if arm not in ("normal", *twin)]
    sentences += [_caused(evaluation, arm) for arm in causes if arm == "untrained"]
    return [*sentences, *(line for arm in arms for line in _failures(evaluation, arm))]


def _reached(evaluation: Mapping[str, Any], arm: str, explained: set[str]) -> Sentence:
    """One arm's payoff and the equilibrium that it fits, whose play is told once."""
    equilibrium = evaluation["arms"][arm]["equilibrium"]
    words = {"subject": _SUBJECTS.get(arm, f"In the arm {arm!r}")}
    numbers = {key: pointer("arms", arm, key) for key in ("mean", "low", "high")}
    if equilibrium is None:
        return sentence(
            evaluation, "{subject}, agents earn " + _EARNED + ".", words, confidence="/confidence", **numbers
        )
    words |= {"name": equilibrium["name"], "play": equilibrium["play"].rstrip(".")}
    numbers["distance"] = pointer("arms", arm, "equilibrium", "distance")
    if equilibrium["matched"]:
        template = '{subject}, agents reach the payoffs of the equilibrium "{name}": they earn ' + _EARNED
        template += ", within {distance} of it."
    elif equilibrium.get("ambiguous"):
        template = "{subject}, agents earn " + _EARNED + ", an interval that fits more than one known equilibrium and "
        template += 'does not say which was reached; the nearest is "{name}", {distance} away.'
    else:
        template = "{subject}, agents reach no known equilibrium: they earn " + _EARNED
        template += ', and the nearest one, "{name}", is {distance} away.'
    if equilibrium["matched"] and equilibrium["name"] not in explained:
        explained.add(equilibrium["name"])
        template += " Its play: {play}."
    return sentence(evaluation, template, words, confidence="/confidence", **numbers)


def _bounds(evaluation: Mapping[str, Any]) -> Iterator[Sentence]:
    """What is known to be possible, with and without messages."""
    numbers = {key: f"/{key}" for key in ("optimum", "no_communication") if evaluation[key] is not None}
    if len(numbers) == 2 and evaluation["optimum"] == evaluation["no_communication"]:
        yield sentence(evaluation, "The best possible is {optimum}, and no message is needed for it.", {}, **numbers)
    elif len(numbers) == 2:
        low = evaluation["arms"]["normal"]["low"]
        beyond = low > evaluation["no_communication"]
        tail = "; the whole interval lies above the latter" if beyond else ""
        template = "The best possible is {optimum} with messages and {no_communication} without any" + tail + "."
        yield sentence(evaluation, template, {}, **numbers)
    elif "optimum" in numbers:
        yield sentence(evaluation, "The best possible is {optimum}.", {}, **numbers)


def _caused(evaluation: Mapping[str, Any], arm: str) -> Sentence:
    """Normal minus `arm`: what it is worth, or that it cannot be told from chance."""
    where = f"normal-{arm}"
    data = evaluation["differences"][where]
    evidence = " (" + _INTERVAL + ", p = {p:p}, {n} episodes" + (" each)" if "unpaired" in data["test"] else ")")
    if data["p"] > 1.0 - evaluation["confidence"]:
        template = _NO_EFFECTS[arm]
    elif data["mean"] > 0:
        template = _CAUSES[arm]
    else:
        template = f"The normal arm earns less than the arm {arm!r}: the difference is {{mean}}{{evidence}}."
    numbers = {key: pointer("differences", where, key) for key in ("mean", "low", "high", "p", "n")}
    return sentence(evaluation, template.replace("{evidence}", evidence), {}, confidence="/confidence", **numbers)


def _conventions(evaluation: Mapping[str, Any]) -> Iterator[Sentence]:
    """What each sender's messages say, what is played for it, and where the two measures disagree."""
    senders = evaluation["communication"]
    for sender in senders:
        yield _convention(evaluation, sender)
        if senders[sender]["convention"] in ("separating", "partial pooling"):
            yield from _code(evaluation, sender)
    names = {data["convention"] for data in senders.values()}
    if not senders:
        yield sentence(evaluation, "No agent sent a message.", {})
    elif "partial pooling" in names and "separating" not in names:
        yield from _plays(evaluation)
    scrambled = evaluation["differences"].get("normal-scrambled")
    matters = scrambled is not None and scrambled["p"] <= 1.0 - evaluation["confidence"]
    if matters and not names & {"separating", "partial pooling"}:
        template = (
            "Scrambling changes the payoff (p = {p:p}) although no sender's messages tell the situations apart: what "
            "they carry is not about the first state, or is worded too variously for whole messages to show it."
        )
        yield sentence(evaluation, template, {}, p="/differences/normal-scrambled/p")


def _convention(evaluation: Mapping[str, Any], sender: str) -> Sentence:
    data = evaluation["communication"][sender]
    words = {"sender": sender}
    numbers = {key: pointer("communication", sender, key) for key in _COUNTS}
    numbers |= {key: pointer("communication", sender, "mutual_information", key) for key in data["mutual_information"]}
    information = (
        "the messages carry {bits} of {max_bits} bits about the situation (the same messages at random would seem to "
        "carry {null_mean}; p = {p:p})"
    )
    names = {
        "separating": "{sender} tells all {situations} situations apart: " + information + ".",
        "partial pooling": "{sender} speaks a partial pooling convention: it tells {told_apart} of {situations} "
        "situations apart from all others, and its messages sort them into {classes} classes; " + information + ".",
        "pooling": "{sender} says much the same in every situation (pooling): " + information + ".",
        "babbling": "{sender} babbles: it uses {unique_messages} different messages, and none of the {situations} "
        "situations can be told from another by them; " + information + ".",
        "silent": "{sender} is silent.",
    }
    template = names[data["convention"]]
    if data["situations"] == 1 and data["convention"] != "silent":
        template = "{sender} uses {unique_messages} different messages; every episode starts alike, so they have no "
        template += "situation to tell."
    used = {key: where for key, where in numbers.items() if f"{{{key}" in template}
    return sentence(evaluation, template, words, **used)


def _code(evaluation: Mapping[str, Any], sender: str) -> Iterator[Sentence]:
    """The sender's most frequent message for each situation, while there are few enough to read."""
    listed: dict[str, tuple[int, str]] = {}
    for place, entry in enumerate(evaluation["communication"][sender]["lexicon"]):
        listed.setdefault(entry["situation"], (place, entry["message"]))
    if len(listed) <= MOST_LISTED:
        words = {"sender": sender}
        numbers: dict[str, str] = {}
        parts: list[str] = []
        for index, (situation, (place, message)) in enumerate(listed.items()):
            words |= {f"situation_{index}": situation, f"message_{index}": message}
            numbers[f"share_{index}"] = pointer("communication", sender, "lexicon", place, "share")
            parts.append(f'"{{message_{index}}}" for "{{situation_{index}}}" ({{share_{index}:%}})')
        yield sentence(evaluation, "{sender} mostly says " + ", ".join(parts) + ".", words, **numbers)


def _plays(evaluation: Mapping[str, Any]) -> Iterator[Sentence]:
    """What is mostly played in each situation, while there are few enough to read."""
    situations = evaluation["arms"]["normal"]["situations"]
    if len(situations) <= MOST_LISTED:
        words: dict[str, str] = {}
        numbers: dict[str, str] = {}
        parts: list[str] = []
        for index, (situation, data) in enumerate(situations.items()):
            play = next(iter(data["plays"]))
            words |= {f"situation_{index}": situation, f"play_{index}": play}
            numbers[f"share_{index}"] = pointer("arms", "normal", "situations", situation, "plays", play)
            numbers[f"mean_{index}"] = pointer("arms", "normal", "situations", situation, "mean")
            parts.append(
                f'"{{play_{index}}}" for "{{situation_{index}}}" ({{share_{index}:%}}, payoff {{mean_{index}}})'
            )
        yield sentence(evaluation, "Mostly played: " + ", ".join(parts) + ".", words, **numbers)


def _failures(evaluation: Mapping[str, Any], arm: str) -> Iterator[Sentence]:
    """Replies that named no legal action, calls without a reply and episodes that broke, where there were any."""
    data = evaluation["arms"][arm]
    if any(data[key] for key in _FAILURES):
        told = {key: words for key, words in _FAILURES.items() if data[key] or key != "failed_calls"}
        template = "In the arm {arm!r}, " + "; ".join(told.values()) + ". Failed episodes are left out of all means."
        numbers = {key: pointer("arms", arm, key) for key in told}
        yield sentence(evaluation, template, {"arm": arm}, **numbers)
