"""A seat on which one of several frozen policies plays, such as past checkpoints: another one each episode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marl.policies.protocol import Policy
from marl.seeding import stream
from marl.types import Decision, View


def drawn(seed: int, name: str, probabilities: Sequence[float] | np.ndarray, episode: int) -> int:
    """The place of the member of league `name` that plays `episode`, by a stream of its own under root `seed`.

    All seats of the league have the same one, and so has every process that plays the episode.
    """
    return int(stream(seed, "league", name, episode).choice(len(probabilities), p=np.asarray(probabilities)))


class LeaguePolicy:
    """Lets one of `members` play, chosen for each episode with `probabilities`; outside of any episode, the last one.

    It never learns: its members are frozen. Those with the same word in `together` are drawn at once.
    """

    def __init__(
        self,
        name: str,
        members: Sequence[Policy],
        probabilities: Sequence[float],
        seed: int,
        together: str | None = None,
    ) -> None:
        self.name = name
        self.trainable = False
        self.seed = seed
        self._drawn_as = name if together is None else together
        self.seat(members, probabilities)

    def seat(self, members: Sequence[Policy], probabilities: Sequence[float]) -> None:
        """Play with these from now on. Raises ValueError where there is not one probability for each."""
        if not members or len(members) != len(probabilities):
            raise ValueError(f"{len(members)} members and {len(probabilities)} probabilities; give one for each member")
        self.members, self.probabilities = tuple(members), tuple(map(float, probabilities))

    def member(self, episode: int | None) -> Policy:
        """Who plays this episode."""
        return self.members[-1 if episode is None else drawn(self.seed, self._drawn_as, self.probabilities, episode)]

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """One decision for each view, by the member that plays the view's episode."""
        groups: dict[int, list[int]] = {}
        playing = [self.member(view.episode) for view in views]
        for index, policy in enumerate(playing):
            groups.setdefault(id(policy), []).append(index)
        decisions: dict[int, Decision] = {}
        for indices in groups.values():
            answers = playing[indices[0]].decide([views[index] for index in indices])
            decisions.update(zip(indices, answers, strict=True))
        return [decisions[index] for index in range(len(views))]
