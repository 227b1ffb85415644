"""The Learner: advantages from the critic, PPO on the actors, regression on the critic."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from torch import Tensor

from marl.errors import LearningError
from marl.learning import objectives
from marl.learning.actor import recorded, rows_of
from marl.learning.batch import CRITIC
from marl.learning.critic import CriticModule
from marl.learning.features import Columns
from marl.models import Row
from marl.seeding import stream

logger = logging.getLogger(__name__)
ITERATION = "iteration"
"""Key in `timesteps` under which the algorithm passes the 0-based iteration."""


class PPOLearner(TorchLearner):
    """One call of `update` = one iteration: value estimates, advantages, `epochs` of minibatches for every actor at
    once, then `critic.epochs` passes over the whole batch for the critic.

    The order of rows in minibatches comes from (seed, iteration) only, so that a resumed run repeats it.
    """

    def build(self) -> None:
        """Build modules and optimizers."""
        super().build()
        self._rows: dict[str, list[Row]] = {}
        self._iteration = 0
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._first_deviation = 0.0
        self._stepped = False

    @property
    def critic(self) -> CriticModule:
        """The critic without its DDP wrapping."""
        return self.module[CRITIC].unwrapped()

    def configure_optimizers_for_module(self, module_id: str, config: AlgorithmConfig | None = None) -> None:
        """Adam for every module; the critic has its own learning rate."""
        training = self.config.scenario.training
        params = [p for p in self.get_parameters(self.module[module_id]) if p.requires_grad]
        optimizer = torch.optim.Adam(params, lr=training.critic.lr if module_id == CRITIC else training.lr)
        self.register_optimizer(module_id=module_id, optimizer=optimizer, params=params)

    def before_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Note which iteration this is; schedules and row order depend on it."""
        super().before_gradient_based_update(timesteps=timesteps)
        self._iteration = int(timesteps[ITERATION])
        self._sums.clear()
        self._first_deviation = 0.0
        self._stepped = False

    def _create_iterator_if_necessary(self, *, training_data: TrainingData, **_: Any) -> Iterator[MultiAgentBatch]:
        columns: dict[str, Columns] = {name: dict(batch) for name, batch in training_data.batch.policy_batches.items()}
        critic = {key: torch.as_tensor(value, device=self._device) for key, value in columns.pop(CRITIC).items()}
        advantages = self._estimate(critic)
        actors = {name: self._actor_tensors(name, own, advantages) for name, own in columns.items()}
        yield from self._minibatches(actors)
        yield from self._critic_passes(critic)

    def _estimate(self, critic: dict[str, Tensor]) -> Tensor:
        """Advantages [T], 0 on artificial rows; adds `target` (normalized value targets) to the critic's columns."""
        training = self.config.scenario.training
        values = self.critic.values_of(critic)
        real = ~critic["artificial"]
        trajectory, place = critic["trajectory"], critic["place"]
        shape = (int(trajectory.max()) + 1, int(place[real].max()) + 1)
        grid = {name: torch.zeros(shape, device=values.device) for name in ("reward", "value")}
        mask = torch.zeros(shape, dtype=torch.bool, device=values.device)
        at = (trajectory[real], place[real])
        grid["reward"][at], grid["value"][at], mask[at] = critic["reward"][real], values[real], True
        bootstrap = torch.zeros(shape[0], device=values.device)
        bootstrap[trajectory[~real]] = values[~real]
        gained, targets = objectives.gae(
            grid["reward"], grid["value"], bootstrap, mask, gamma=training.gamma, lam=training.gae_lambda
        )
        flat = torch.zeros_like(values)
        flat[real] = targets[at]
        self._log("explained_variance", objectives.explained_variance(values[real], flat[real]))
        self.critic.scale.rescale(flat[real], critic["agent"][real], self.critic.head)
        critic["target"] = self.critic.normalized(flat, critic["agent"])
        advantages = torch.zeros_like(values)
        advantages[real] = gained[at]
        return advantages

    def _actor_tensors(self, name: str, columns: Columns, advantages: Tensor) -> dict[str, Tensor]:
        self._rows[name] = rows_of(columns)
        old, mask = recorded(columns)
        own = advantages[torch.as_tensor(columns["row"], device=advantages.device)]
        return {
            "old_log_probs": old.to(self._device),
            "old_mask": mask.to(self._device),
            "advantage": objectives.normalize(own),
            "talk": torch.as_tensor(columns["talk"], device=self._device),
            "index": torch.arange(len(own)),
        }

    def _minibatches(self, actors: dict[str, dict[str, Tensor]]) -> Iterator[MultiAgentBatch]:
        training = self.config.scenario.training
        rng = stream(self.config.scenario.seed, "minibatches", self._iteration)
        for _ in range(training.epochs):
            orders = {name: rng.permutation(len(own["index"])) for name, own in actors.items()}
            parts = {name: np.array_split(order, training.minibatches) for name, order in orders.items()}
            for number in range(training.minibatches):
                yield _batch(
                    {
                        name: {key: value[torch.as_tensor(parts[name][number])] for key, value in own.items()}
                        for name, own in actors.items()
                        if len(parts[name][number])
                    }
                )

    def _critic_passes(self, critic: dict[str, Tensor]) -> Iterator[MultiAgentBatch]:
        for _ in range(self.config.scenario.training.critic.epochs):
            yield _batch({CRITIC: critic})

    def _update(self, batch: dict[str, Any], **kwargs: Any) -> Any:
        whole = {
            name: own if name == CRITIC else {**own, "rows": [self._rows[name][i] for i in own["index"].tolist()]}
            for name, own in batch.items()
        }
        return super()._update(whole, **kwargs)

    def compute_loss_for_module(
        self, *, module_id: str, config: AlgorithmConfig, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> Tensor:
        """The critic's regression, or an actor's clipped surrogate less its entropy bonuses."""
        if module_id == CRITIC:
            loss = objectives.value_loss(fwd_out["values"], batch["target"], ~batch["artificial"])
            self._log("value_loss", loss)
        else:
            loss = self._actor_loss(batch, fwd_out)
        if not torch.isfinite(loss):
            raise LearningError(
                f"the loss of module {module_id!r} is {float(loss)}; lower training.lr or look at the rewards"
            )
        return loss

    def _actor_loss(self, batch: dict[str, Any], fwd_out: dict[str, Any]) -> Tensor:
        training = self.config.scenario.training
        new, mask = fwd_out["log_probs"], fwd_out["mask"]
        old = batch["old_log_probs"][:, : mask.shape[1]].to(new.dtype)
        if not torch.equal(mask, batch["old_mask"][:, : mask.shape[1]]) or batch["old_mask"][:, mask.shape[1] :].any():
            raise LearningError(
                "the model gives other tokens a log-probability than those that were recorded in acting"
            )
        surrogate = objectives.ppo_clip_loss(new, old, batch["advantage"], mask, clip=training.clip)
        spread = {
            kind: objectives.entropy_bonus(fwd_out["entropy"], mask, turns)
            for kind, turns in (("action", ~batch["talk"]), ("message", batch["talk"]))
        }
        with torch.no_grad():
            deviation = objectives.ratio_deviation(new, old, mask)
            self._log("approx_kl", objectives.approximate_kl(new, old, mask))
            self._log("clip_fraction", objectives.clip_fraction(new, old, mask, clip=training.clip))
        if not self._stepped:
            self._first_deviation = max(self._first_deviation, float(deviation))
        self._log("policy_loss", surrogate)
        for kind, turns in (("action", ~batch["talk"]), ("message", batch["talk"])):
            if bool(turns.any()):
                self._log(f"entropy_{kind}", spread[kind])
        action, message = (
            objectives.scheduled(ends, self._iteration, training.iterations)
            for ends in (training.action_entropy, training.message_entropy)
        )
        return surrogate - action * spread["action"] - message * spread["message"]

    def apply_gradients(self, gradients_dict: dict[Any, Tensor]) -> None:
        """Step the optimizers that have gradients. A gradient that is not finite raises: none is replaced by zero."""
        for parameter, gradient in gradients_dict.items():
            if not torch.isfinite(gradient).all():
                raise LearningError(
                    f"a gradient of shape {tuple(gradient.shape)} is not finite; "
                    "lower training.lr or look at the rewards"
                )
            parameter.grad = gradient
        for optimizer in self._named_optimizers.values():
            optimizer.step()
        self._stepped = True

    def _log(self, name: str, value: Tensor | float) -> None:
        self._sums[name].append(float(value.detach() if isinstance(value, Tensor) else value))

    def report(self) -> dict[str, float]:
        """Means over the last update's minibatches: losses/* and first_ratio_deviation."""
        row = {f"losses/{name}": float(np.mean(values)) for name, values in sorted(self._sums.items())}
        row["first_ratio_deviation"] = self._first_deviation
        return row


def _batch(parts: dict[str, dict[str, Tensor]]) -> MultiAgentBatch:
    """A MultiAgentBatch of tensors; its env steps are counted elsewhere, RLlib only asks for a positive number."""
    return MultiAgentBatch({name: SampleBatch(columns) for name, columns in parts.items()}, env_steps=1)
