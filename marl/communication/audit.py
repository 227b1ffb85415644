"""The communication audit: what each sender's messages say, and what they cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marl.communication.convention import name_convention
from marl.communication.information import mutual_information
from marl.communication.lexicon import lexicon, senders, signal
from marl.communication.verdict import verdict
from marl.seeding import stream
from marl.types import Episode


def audit(evaluation: Mapping[str, Any], episodes: Mapping[str, Sequence[Episode]]) -> dict[str, Any]:
    """`evaluation` (from marl.evaluation) with "communication" and "verdict" added.

    What messages say is read off the normal arm's completed episodes, one description a sender. What they cause is in
    `evaluation["differences"]` already: normal minus scrambled is the effect of what is said, normal minus off that of
    being able to talk, normal minus silent_twin that of having learned with talk. The verdict puts both in words.
    """
    described = {
        **evaluation,
        "communication": describe_senders(
            episodes["normal"], seed=evaluation["seed"], level=1.0 - evaluation["confidence"]
        ),
    }
    return {**described, "verdict": verdict(described)}


def describe_senders(episodes: Sequence[Episode], *, seed: int, level: float = 0.05) -> dict[str, dict[str, Any]]:
    """{sender: messages, mutual information, lexicon and convention} over the completed `episodes`.

    One message an episode is read, see `lexicon.signal`; `level` is the significance below which mutual information
    counts. Failed episodes are left out.
    """
    done = [episode for episode in episodes if episode.outcome != "failed"]
    situations = [episode.situation for episode in done]
    described: dict[str, dict[str, Any]] = {}
    for sender in senders(done):
        signals = [signal(episode, sender) for episode in done]
        information = mutual_information(situations, signals, rng=stream(seed, "bootstrap", "messages", sender))
        convention = name_convention(situations, signals, p=information.p, level=level)
        described[sender] = {
            "unique_messages": len(set(signals) - {""}),
            "mutual_information": information.to_json(),
            "lexicon": lexicon(situations, signals),
            "told_apart": convention.told_apart,
            "situations": len(set(situations)),
            "classes": len(convention.groups),
            "groups": [list(group) for group in convention.groups],
            "convention": convention.name,
            "n": len(done),
        }
    return described
