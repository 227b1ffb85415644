"""Communication as a game: what equilibria the channel makes or breaks, and whether talking and truth pay.

One scenario and its policies, played with the channel on, off, scrambled and deaf; then two meta-games over the learned
policies, in which each agent chooses how it talks. Everything is played on the same episodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from marl.channel import BySender, Deaf, Intervention, Replaced, messages_by_sender
from marl.communication.lexicon import senders
from marl.communication.lying import Lie, lie
from marl.errors import ScenarioError
from marl.evaluation import play_tournament
from marl.experiment import Checkpoint, Progress, policies_of, seat_strategies, untrained_policies
from marl.games.arm_comparison import compare_arms
from marl.games.empirical import EmpiricalGame
from marl.games.meta_game import meta_game
from marl.games.phrases import Numbers, listed, name, quoted
from marl.policies import meters
from marl.policies.protocol import Policy
from marl.rollout import Tables, play
from marl.seeding import seed_of, stream
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.types import Episode
from marl.usage import metering

ARMS = ("normal", "off", "scrambled", "deaf")
CHANNEL = "the channel"
"""A seat at the tournament whose strategies are the arms and whose payoff is the welfare."""

SILENT = "nobody said anything, so that there is nothing to choose"
TELLS_NOTHING = (
    "no agent's messages tell situations or its own moves apart, so that a lie cannot be told from what is said anyway"
)


def analyze_communication(
    out: str | Path, *, checkpoint: Checkpoint = "last", on_progress: Progress = lambda step, row: None
) -> dict[str, Any]:
    """Play the run's policies in all arms and meta-games; write communication.json and return what is in it.

    `checkpoint` as in `marl.experiment.policies_of`.
    """
    run = RunDirectory(out)
    scenario = run.scenario()
    policies = policies_of(run, checkpoint=checkpoint)
    strategies = seat_strategies(scenario, policies, untrained_policies(scenario, policies))

    def on_profile(game: str, done: int, total: int) -> None:
        on_progress("analyze", {"game": game, "done": done, "total": total})

    with metering(run, "analyze", meters(policies.values())):
        record = communication_games(scenario, strategies, on_profile=on_profile) | {"checkpoint": checkpoint}
    run.write_json("communication.json", record)
    return record


def communication_games(
    scenario: Scenario,
    strategies: Mapping[str, Mapping[str, Policy]],
    *,
    on_profile: Callable[[str, int, int], None] = lambda game, done, total: None,
) -> dict[str, Any]:
    """The record of communication.json: `arms` (see `marl.games.compare_arms`), `meta_games` by kind (see
    `marl.games.meta_game`), `lies` by sender, `notes` on what could not be asked, and a `summary` of all in words.

    `strategies` are the policies that may sit on each seat, by name, the learned one first, as in the tournament.
    `on_profile(game, done, total)` is called after each profile. Raises ScenarioError where the scenario has no talk.
    """
    _check_talk(scenario)
    tables = Tables(scenario)
    seed, confidence = seed_of(scenario.seed, "tournament"), scenario.evaluation.confidence

    def rollout(sitting: Mapping[str, Policy], indices: Sequence[int], **changes: Any) -> list[Episode]:
        return play(scenario, sitting, indices, seed=seed, tables=tables, **changes)

    games, learned = _play_arms(scenario, strategies, rollout, on_profile)
    sitting = {agent: next(iter(table.values())) for agent, table in strategies.items()}
    choices, told = _choices(scenario, learned)
    meta_games, notes = {}, {}
    for kind, table in choices.items():
        if not table:
            notes[kind] = TELLS_NOTHING if choices["talk_or_mute"] else SILENT
            continue
        game = _play_meta_game(scenario, sitting, table, rollout, partial(on_profile, kind))
        rng = stream(scenario.seed, "bootstrap", "communication", kind)
        meta_games[kind] = meta_game(game, kind, confidence=confidence, rng=rng)
    arms = compare_arms(
        games, (0,) * len(sitting), confidence=confidence, rng=stream(scenario.seed, "bootstrap", "communication")
    )
    record = {
        "scenario": scenario.name,
        "episodes": scenario.analysis.episodes,
        "arms": arms,
        "meta_games": meta_games,
        "lies": {agent: own.to_json() for agent, own in told.items()},
        "notes": notes,
    }
    return record | {"summary": _summary(record, told)}


def _check_talk(scenario: Scenario) -> None:
    channel = scenario.channel
    if channel.intervention == "off" or channel.topology == "none" or not channel.talk_rounds:
        raise ScenarioError(
            f"{scenario.name} has no talk to study: give channel a topology, talk_rounds >= 1 and an intervention "
            f"other than off; given {channel.topology!r}, {channel.talk_rounds} and {channel.intervention!r}"
        )


def _choices(
    scenario: Scenario, learned: Sequence[Episode]
) -> tuple[dict[str, dict[str, dict[str, Intervention | None]]], dict[str, Lie]]:
    """What each agent may choose in either meta-game, {kind: {agent: {strategy: intervention}}}, and the lies in it."""
    said = messages_by_sender(learned)
    speaking = [agent for agent in senders(learned) if any(said[agent])]
    level = 1 - scenario.evaluation.confidence
    lies = {agent: lie(learned, agent, seed=scenario.seed, level=level) for agent in speaking}
    told = {agent: own for agent, own in lies.items() if own is not None}
    return {
        "talk_or_mute": {agent: {"talk": None, "mute": Deaf()} for agent in speaking},
        "truthful_or_lying": {
            agent: {"truthful": None, "lying": Replaced(own.heard_as)} for agent, own in told.items()
        },
    }, told


def _play_arms(
    scenario: Scenario,
    strategies: Mapping[str, Mapping[str, Policy]],
    rollout: Callable[..., list[Episode]],
    on_profile: Callable[[str, int, int], None],
) -> tuple[dict[str, EmpiricalGame], list[Episode]]:
    """The empirical game of each arm, and the learned profile's episodes with the channel as it is."""
    # What is heard in a scrambled arm was said by the same policies: each profile has its own pool.
    pools: dict[tuple[int, ...], dict[str, list[str]]] = {}
    learned: list[Episode] = []

    def play_profile(seating: Mapping[str, Any], indices: Sequence[int]) -> list[Episode]:
        arm, sitting = seating[CHANNEL], {agent: policy for agent, policy in seating.items() if agent != CHANNEL}
        key = tuple(map(id, sitting.values()))
        if arm == "normal":
            episodes = rollout(sitting, indices)
            pools[key] = {agent: [""] for agent in sitting} | messages_by_sender(episodes)
            if not learned:
                learned.extend(episodes)
        else:
            episodes = rollout(sitting, indices, intervention=arm, pool=pools[key] if arm == "scrambled" else None)
        return [replace(one, returns={CHANNEL: sum(one.returns.values()), **one.returns}) for one in episodes]

    seats = {CHANNEL: {arm: arm for arm in ARMS}, **strategies}
    samples = play_tournament(
        play_profile,
        seats,
        episodes=scenario.analysis.episodes,
        on_profile=lambda done, total: on_profile("arms", done, total),
    )
    names = {agent: list(table) for agent, table in strategies.items()}
    games = {
        arm: EmpiricalGame.from_samples(
            names, {profile[1:]: values[:, 1:] for profile, values in samples.items() if profile[0] == number}
        )
        for number, arm in enumerate(ARMS)
    }
    return games, learned


def _play_meta_game(
    scenario: Scenario,
    sitting: Mapping[str, Policy],
    choices: Mapping[str, Mapping[str, Intervention | None]],
    rollout: Callable[..., list[Episode]],
    on_profile: Callable[[int, int], None],
) -> EmpiricalGame:
    """The game of what each agent's messages go through; an agent that is not in `choices` has none to make."""
    table = {agent: choices.get(agent, {"as ever": None}) for agent in sitting}

    def play_profile(seating: Mapping[str, Any], indices: Sequence[int]) -> list[Episode]:
        changed = {agent: one for agent, one in seating.items() if one is not None}
        return rollout(sitting, indices, intervention=BySender(changed) if changed else None)

    samples = play_tournament(play_profile, table, episodes=scenario.analysis.episodes, on_profile=on_profile)
    return EmpiricalGame.from_samples({agent: list(own) for agent, own in table.items()}, samples)


def _summary(record: Mapping[str, Any], told: Mapping[str, Lie]) -> list[dict[str, Any]]:
    sentences = list(record["arms"]["summary"])
    for kind, game in record["meta_games"].items():
        sentences += game["verdict"]
        if kind == "truthful_or_lying":
            sentences += [Numbers().sentence(_lie_in_words(one)) for one in told.values()]
    notes = {kind: f"The game {quoted(kind)} was not played: {reason}." for kind, reason in record["notes"].items()}
    return sentences + [Numbers().sentence(text) for text in notes.values()]


def _lie_in_words(one: Lie) -> str:
    what = "the situation" if one.about == "situation" else "its own move"
    heard = [
        f"{quoted(text)} (said of {quoted(one.meanings[text])}) is heard as {quoted(other)}"
        for text, other in list(one.heard_as.items())[:4]
    ]
    return f"{name(one.sender)}'s messages tell {what}; when it lies, {listed(heard)}."
