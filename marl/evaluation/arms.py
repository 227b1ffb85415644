"""The arms of an evaluation: the same policies under interventions, and controls, on the same episodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from marl.channel import messages_by_sender
from marl.errors import EnvError
from marl.evaluation.metrics import arm_metrics, completed
from marl.evaluation.statistics import Difference, paired_difference, unpaired_difference
from marl.seeding import seed_of, stream
from marl.settings import Scenario
from marl.table import open_env
from marl.types import Episode

LABELS = {
    "normal": "with the channel",
    "off": "channel switched off",
    "scrambled": "messages scrambled",
    "deaf": "messages not heard",
    "silent_twin": "trained without the channel",
    "untrained": "before training",
}


class PlayArm(Protocol):
    """`marl.rollout.play` bound to a scenario and its policies; a distributed sampler has the same face."""

    def __call__(
        self,
        indices: Sequence[int],
        *,
        seed: int,
        intervention: str | None = None,
        pool: Mapping[str, Sequence[str]] | None = None,
    ) -> list[Episode]:
        """Play the episodes numbered `indices` in that order."""
        ...


def evaluate_arms(
    scenario: Scenario,
    trained: PlayArm,
    controls: Mapping[str, PlayArm] | None = None,
    *,
    reference: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, list[Episode]]]:
    """Play all arms on the same episode numbers and seed; return what evaluation.json holds, and {arm: episodes}.

    First `trained` plays normally, then with the channel off, then with every message replaced by one of the same
    sender's from the normal arm, then deaf: with no message heard (which of the last three, `scenario.evaluation.arms`
    says; if nobody said anything, none is played, for there is nothing to take away). Then the `controls` play, with no
    intervention of their own: a twin that was trained in silence, the untrained copies. `differences` holds normal
    minus each other arm, paired by episode. `reference` overrides what the env's own `reference()` states. Raises
    EnvError for an arm with fewer than two completed episodes.
    """
    indices = range(scenario.evaluation.episodes)
    seed = seed_of(scenario.seed, "evaluation")
    stated = reference if reference is not None else stated_reference(scenario)
    episodes = {"normal": trained(indices, seed=seed)}
    pool = messages_by_sender(episodes["normal"])
    for arm in ("off", "scrambled", "deaf"):
        if arm in scenario.evaluation.arms and any(text for texts in pool.values() for text in texts):
            drawn = pool if arm == "scrambled" else None
            episodes[arm] = trained(indices, seed=seed, intervention=arm, pool=drawn)
    for arm, play in (controls or {}).items():
        episodes[arm] = play(indices, seed=seed)
    return evaluate_episodes(scenario, episodes, stated), episodes


def evaluate_episodes(
    scenario: Scenario, episodes: Mapping[str, Sequence[Episode]], reference: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The numbers of arms that have been played already; `episodes` must hold the arm "normal"."""
    confidence, seed = scenario.evaluation.confidence, scenario.seed
    return {
        "scenario": scenario.name,
        "seed": seed,
        "episodes": scenario.evaluation.episodes,
        "confidence": confidence,
        "optimum": reference["optimum"] if reference else None,
        "no_communication": reference["no_communication"] if reference else None,
        "arms": {
            arm: arm_metrics(
                played,
                arm=arm,
                label=LABELS.get(arm, arm.replace("_", " ")),
                seed=seed,
                confidence=confidence,
                reference=reference,
            )
            for arm, played in episodes.items()
        },
        "differences": {
            f"normal-{arm}": arm_difference(
                episodes["normal"], played, confidence=confidence, seed=seed, name=arm
            ).to_json()
            for arm, played in episodes.items()
            if arm != "normal"
        },
    }


def arm_difference(
    first: Iterable[Episode], second: Iterable[Episode], *, confidence: float, seed: int, name: str
) -> Difference:
    """Mean payoff per agent of `first` minus `second`, over the episodes that both completed.

    Episodes are paired where seed and number agree. Arms that share fewer than two are compared unpaired.
    """
    one = {(episode.seed, episode.index): episode.mean_return for episode in completed(list(first))}
    other = {(episode.seed, episode.index): episode.mean_return for episode in completed(list(second))}
    rng = stream(seed, "bootstrap", "difference", name)
    shared = [key for key in one if key in other]
    if len(shared) < 2:
        return unpaired_difference(list(one.values()), list(other.values()), confidence=confidence, rng=rng)
    return paired_difference(
        [one[key] for key in shared], [other[key] for key in shared], confidence=confidence, rng=rng
    )


def stated_reference(scenario: Scenario) -> dict[str, Any] | None:
    """What the env's `reference()` states, or None for an env without one. Raises EnvError for missing fields."""
    env = open_env(scenario).unwrapped
    state = getattr(env, "reference", None)
    if not callable(state):
        return None
    stated = dict(state())
    missing = sorted({"optimum", "no_communication", "equilibria"} - set(stated))
    if missing:
        raise EnvError(f"{type(env).__name__}.reference() lacks {missing}; state a value, or None for what is unknown")
    return stated
