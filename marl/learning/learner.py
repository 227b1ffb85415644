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
from marl.learning.actor import ActorModule, recorded, rows_of
from marl.learning.batch import CRITIC
from marl.learning.critic import CriticModule
from marl.learning.features import Columns
from marl.learning.gradients import Given, Part, Shares, accumulate
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
        self._sums: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._first_deviation = 0.0
        self._stepped = False
        half = [name for name, actor in self._actors().items() if actor.model.precision == "float16"]
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=bool(half))

    def _actors(self) -> dict[str, ActorModule]:
        return {name: module.unwrapped() for name, module in self.module.items() if name != CRITIC}

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
        self._rows[name] = rows_of(columns, self.module[name].unwrapped().policy.adapter)
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
        """One step: of the critic as RLlib makes it, or of all actors at once."""
        if CRITIC in batch:
            return super()._update(batch, **kwargs)
        for optimizer in self._optimizer_parameters:
            optimizer.zero_grad(set_to_none=True)
        rows = {name: [self._rows[name][i] for i in own["index"].tolist()] for name, own in batch.items()}
        tokens = self.config.scenario.training.tokens_a_batch
        accumulate(self._actors(), batch, rows, self._actor_loss, tokens=tokens, backward=self._backward)
        if self._unscaled():
            gradients = {ref: param.grad for ref, param in self._params.items() if param.grad is not None}
            self.apply_gradients(self.postprocess_gradients(gradients))
        return {}, {}, {}

    def _backward(self, actor: ActorModule, loss: Tensor) -> None:
        (self.scaler.scale(loss) if actor.model.precision == "float16" else loss).backward()

    def _unscaled(self) -> bool:
        """Take the loss scale of float16 out of the gradients again; False where it made them overflow.

        The scale is then halved, and this step is left out (Micikevicius et al., "Mixed precision training", 2018).
        """
        if not self.scaler.is_enabled():
            return True
        finite = True
        for name, actor in self._actors().items():
            given = [parameter.grad for parameter in actor.parameters() if parameter.grad is not None]
            if given and actor.model.precision == "float16":
                for _, optimizer in self.get_optimizers_for_module(name):
                    self.scaler.unscale_(optimizer)
                finite &= all(bool(torch.isfinite(gradient).all()) for gradient in given)
        self._log("skipped_steps", not finite)
        if not finite and self.scaler.get_scale() <= 1.0:
            raise LearningError("gradients are not finite in float16 whatever the loss scale; set precision: bfloat16")
        self.scaler.update()
        return finite

    def compute_loss_for_module(
        self, *, module_id: str, config: AlgorithmConfig, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> Tensor:
        """The critic's regression; the actors' loss is summed over parts by `accumulate`."""
        loss = objectives.value_loss(fwd_out["values"], batch["target"], ~batch["artificial"])
        self._log("value_loss", loss)
        return _checked(module_id, loss)

    def _actor_loss(self, name: str, part: Part, given: Given, shares: Shares) -> Tensor:
        """The part's share of an actor's clipped surrogate less its entropy bonuses."""
        training = self.config.scenario.training
        new, mask, width = given.log_probs, given.mask, given.mask.shape[1]
        old = part["old_log_probs"][:, :width].to(new.dtype)
        if not torch.equal(mask, part["old_mask"][:, :width]) or part["old_mask"][:, width:].any():
            raise LearningError(
                "the model gives other tokens a log-probability than those that were recorded in acting"
            )
        surrogate = objectives.ppo_clip_loss(new, old, part["advantage"], mask, clip=training.clip)
        with torch.no_grad():
            deviation = objectives.ratio_deviation(new, old, mask)
            self._log("approx_kl", objectives.approximate_kl(new, old, mask), shares.turns)
            self._log("clip_fraction", objectives.clip_fraction(new, old, mask, clip=training.clip), shares.turns)
        if not self._stepped:
            self._first_deviation = max(self._first_deviation, float(deviation))
        self._log("policy_loss", surrogate, shares.turns)
        loss = surrogate * shares.turns
        for kind, turns, share, ends in (
            ("action", ~part["talk"], shares.act, training.action_entropy),
            ("message", part["talk"], shares.talk, training.message_entropy),
        ):
            if bool(turns.any()):
                spread = objectives.entropy_bonus(given.entropy, mask, turns)
                self._log(f"entropy_{kind}", spread, share)
                loss = loss - objectives.scheduled(ends, self._iteration, training.iterations) * share * spread
        return _checked(name, loss)

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

    def _log(self, name: str, value: Tensor | float, weight: float = 1.0) -> None:
        self._sums[name].append((float(value.detach() if isinstance(value, Tensor) else value), weight))

    def report(self) -> dict[str, float]:
        """Means over the last update's minibatches: losses/* and first_ratio_deviation."""
        row = {}
        for name, logged in sorted(self._sums.items()):
            values, weights = zip(*logged, strict=True)
            row[f"losses/{name}"] = float(np.average(values, weights=weights))
        row["first_ratio_deviation"] = self._first_deviation
        return row


def _checked(module_id: str, loss: Tensor) -> Tensor:
    if not torch.isfinite(loss):
        raise LearningError(
            f"the loss of module {module_id!r} is {float(loss)}; lower training.lr or look at the rewards"
        )
    return loss


def _batch(parts: dict[str, dict[str, Tensor]]) -> MultiAgentBatch:
    """A MultiAgentBatch of tensors; its env steps are counted elsewhere, RLlib only asks for a positive number."""
    return MultiAgentBatch({name: SampleBatch(columns) for name, columns in parts.items()}, env_steps=1)
