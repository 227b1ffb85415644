"""A small network that remembers as a policy: each agent of each episode has a state, which is dropped with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from marl.errors import ScenarioError
from marl.policies.network import NetworkPolicy, Reader
from marl.types import View

if TYPE_CHECKING:
    from torch import Tensor

    from marl.models.recurrent import RecurrentNetwork


class RecurrentPolicy(NetworkPolicy):
    """Decides by all that the agent has read in the episode: a state for each (episode, agent), kept until `release`.

    A view outside of any episode is a history of its own, which begins and ends with it.
    """

    network: RecurrentNetwork

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._states: dict[tuple[int, str], Tensor] = {}

    @property
    def remembers(self) -> frozenset[tuple[int, str]]:
        """The (episode, agent) that have a state."""
        return frozenset(self._states)

    def release(self, owners: Collection[tuple[int, str]]) -> None:
        """Drop the states of `owners`, (episode, agent) each, whose episodes are over."""
        for owner in owners:
            self._states.pop(owner, None)

    def table(self, views: Sequence[View], inputs: np.ndarray, legal: np.ndarray) -> np.ndarray:
        """[T, A] log-probabilities of views that read `inputs` [T, F]; their histories have read them then."""
        import torch

        (empty,) = self.network.empty(1)
        known = [None if view.episode is None else self._states.get((view.episode, view.agent)) for view in views]
        state = torch.stack([empty if own is None else own for own in known])
        table, after = self.recall(inputs, legal, state)
        for view, own in zip(views, after, strict=True):
            if view.episode is not None:
                self._states[view.episode, view.agent] = own
        return table

    def recall(self, inputs: np.ndarray, legal: np.ndarray, state: Tensor) -> tuple[np.ndarray, Tensor]:
        """Log-probabilities [T, A], and the states [T, H] after, of histories in `state` [T, H] that read `inputs`
        [T, F] and choose from `legal` [T, A]; without gradient.
        """
        import torch

        device = self.network.head.weight.device
        with torch.inference_mode():
            hidden, after = self.network.step(torch.from_numpy(inputs).to(device), state)
            table = self.network.distribution(hidden, torch.from_numpy(legal).to(device)).cpu().numpy()
        return self.checked(table), after

    def reader(self, count: int) -> Reader:
        """See `NetworkPolicy.reader`: `count` histories from their beginning, each of which reads where it decides."""
        import torch

        state = self.network.empty(count)

        def read(inputs: np.ndarray, legal: np.ndarray, decided: np.ndarray) -> np.ndarray:
            nonlocal state
            table, after = self.recall(inputs, legal, state)
            state = torch.where(torch.from_numpy(decided).to(state.device).unsqueeze(-1), after, state)
            return table

        return read

    def distributions(self, views: Sequence[View]) -> list[np.ndarray]:
        """Raises ScenarioError: a single view does not say what was read before it."""
        raise ScenarioError(
            f"policy {self.name!r} remembers, so that its distribution depends on what it read before and not on the "
            "situation alone; leave evaluation.exact out, or leave recurrent out of the policy"
        )
