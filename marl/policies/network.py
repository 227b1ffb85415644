"""A small network as a policy: it reads the observation's numbers and the words it heard, and picks an option."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from marl.errors import ModelError
from marl.policies.encoding import Encoding
from marl.settings import NetworkSettings, Scenario
from marl.types import Decision, View

if TYPE_CHECKING:
    from marl.models.network import PolicyNetwork

Reader = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""(inputs [N, F], legal [N, A], which of N copies decide [N]) -> log-probabilities [N, A], step by step."""


class NetworkPolicy:
    """Decides with `network`, read and answered through `encoding`; `greedy` takes the likeliest option.

    A batch of views is one forward pass, and each draw comes from the view's own stream. Recorded log-probabilities
    are those of the distribution, under `greedy` too. Free text raises ScenarioError: a network only picks.
    """

    def __init__(
        self, name: str, network: PolicyNetwork, encoding: Encoding, *, greedy: bool = False, trainable: bool = True
    ) -> None:
        self.name = name
        self.network = network
        self.encoding = encoding
        self.greedy = greedy
        self.trainable = trainable

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """One decision for each view; see `Policy.decide`."""
        if not views:
            return []
        encoding = self.encoding
        numbers = [encoding.alphabet.numbers(view.agent, view.phase, view.options) for view in views]
        inputs = np.stack([encoding.read(view) for view in views])
        table = self.table(views, inputs, encoding.legal(numbers))
        picks = table.argmax(-1) if self.greedy else draw(table, np.array([view.rng.random() for view in views]))
        return [
            Decision(
                text=view.options[given.index(pick)],
                choice=given.index(pick),
                token_ids=(pick,),
                option_ids=tuple((number,) for number in given),
                log_probs=(float(log_probs[pick]),),
                inputs=row,
            )
            for view, given, row, log_probs, pick in zip(views, numbers, inputs, table, picks.tolist(), strict=True)
        ]

    def distributions(self, views: Sequence[View]) -> list[np.ndarray]:
        """The probability of each of a view's options, [O], for every view."""
        encoding = self.encoding
        numbers = [list(encoding.alphabet.numbers(view.agent, view.phase, view.options)) for view in views]
        table = np.exp(self.log_probs(np.stack([encoding.read(view) for view in views]), encoding.legal(numbers)))
        return [row[given] for row, given in zip(table, numbers, strict=True)]

    def table(self, views: Sequence[View], inputs: np.ndarray, legal: np.ndarray) -> np.ndarray:
        """[T, A] log-probabilities of `views` that read `inputs` [T, F] and choose from `legal` [T, A]."""
        return self.log_probs(inputs, legal)

    def reader(self, count: int) -> Reader:
        """What reads `count` copies of a game step by step from their beginning."""
        return lambda inputs, legal, decided: self.log_probs(inputs, legal)

    def log_probs(self, inputs: np.ndarray, legal: np.ndarray) -> np.ndarray:
        """[T, A] log-probabilities for inputs [T, F] and the mask of legal outputs [T, A], without gradient."""
        import torch

        device = self.network.head.weight.device
        with torch.inference_mode():
            table = self.network(torch.from_numpy(inputs).to(device), torch.from_numpy(legal).to(device)).cpu().numpy()
        return self.checked(table)

    def checked(self, table: np.ndarray) -> np.ndarray:
        """`table`. Raises ModelError where the network's weights have become NaN."""
        if np.isnan(table).any():
            raise ModelError(f"the network of policy {self.name!r} gives NaN; train it with a smaller training.lr")
        return table

    def export(self, folder: str | Path) -> None:
        """Write the network: config.json and model.safetensors."""
        self.network.save(folder)


def network_policy(
    name: str,
    settings: NetworkSettings,
    scenario: Scenario,
    *,
    seed: int,
    folder: Path | None = None,
    kind: type[NetworkPolicy] = NetworkPolicy,
) -> NetworkPolicy:
    """The policy `name` of `scenario`, with the weights that `seed` gives or, where there is a `folder`, with its.

    Raises ModelError for a folder whose network is of another shape.
    """
    from marl.models.network import PolicyNetwork
    from marl.models.recurrent import RecurrentNetwork
    from marl.policies.recurrent import RecurrentPolicy

    encoding = Encoding.of(scenario, name)
    sizes = encoding.inputs, encoding.outputs, settings.hidden, settings.activation
    wanted: PolicyNetwork
    if settings.recurrent is None:
        wanted = PolicyNetwork(*sizes, seed=seed)
    else:
        wanted, kind = RecurrentNetwork(*sizes, settings.recurrent, seed=seed), RecurrentPolicy
    network = wanted if folder is None else type(wanted).load(folder)
    if network.shape != wanted.shape:
        raise ModelError(f"{folder} holds a network of {network.shape}; the scenario needs {wanted.shape}")
    return kind(name, network, encoding, trainable=settings.learn)


def draw(log_probs: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """[T] outputs drawn from log-probabilities [T, A] by inverting each cumulative distribution at uniform [T]."""
    cumulative = np.exp(log_probs.astype(np.float64)).cumsum(-1)
    at = uniform * cumulative[:, -1]
    last = log_probs.shape[1] - 1 - np.isfinite(log_probs)[:, ::-1].argmax(-1)
    return np.minimum((cumulative <= at[:, None]).sum(-1), last)
