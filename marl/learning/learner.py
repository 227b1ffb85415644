"""The Learner of the policy-gradient algorithms: advantages, steps of the actors, regression of the critic."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping
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
from marl.learning.actor import ActorModule, read_all, recorded
from marl.learning.advantages import ESTIMATES, joint_table
from marl.learning.advantages import Given as Evidence
from marl.learning.batch import CRITIC
from marl.learning.critic import CriticModule
from marl.learning.features import Columns
from marl.learning.gradients import Given, Part, Shares, accumulate
from marl.learning.presets import preset
from marl.learning.reference import Reference, divergence
from marl.learning.surrogates import SURROGATES
from marl.seeding import stream

logger = logging.getLogger(__name__)
ITERATION = "iteration"
"""Key in `timesteps` under which the algorithm passes the 0-based iteration."""


BASELINES, PRICE = "role_baselines", "reference_coefficient"
"""Keys of the learner's own state, beside RLlib's."""


class PolicyGradientLearner(TorchLearner):
    """One call of `update` = one iteration: value estimates, advantages, `epochs` of minibatches for every actor at
    once, then `critic.epochs` passes over the whole batch for the critic. The scenario's preset names the parts.

    The order of rows in minibatches comes from (seed, iteration) only, so that a resumed run repeats it.
    """

    def build(self) -> None:
        """Build modules and optimizers."""
        super().build()
        self.preset = preset(self.config.scenario.training.algorithm)
        self.baselines = torch.zeros(len(self.config.layout.agents), device=self._device)
        wanted = self.config.scenario.training.reference
        self.reference = None if wanted is None else Reference(wanted)
        self._rows: dict[str, Any] = {}
        self._tables: dict[str, Tensor] = {}
        self._iteration = 0
        self._sums: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self._first_deviation = 0.0
        self._stepped = False
        half = [name for name, actor in self._actors().items() if actor.precision == "float16"]
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=bool(half))

    def _actors(self) -> dict[str, ActorModule]:
        return {name: module.unwrapped() for name, module in self.module.items() if name != CRITIC}

    @property
    def critic(self) -> CriticModule | None:
        """The critic without its DDP wrapping, if the algorithm has one."""
        return self.module[CRITIC].unwrapped() if CRITIC in self.module else None

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

    def after_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Let the price of leaving the reference follow what this iteration measured."""
        super().after_gradient_based_update(timesteps=timesteps)
        if self.reference is not None and self._sums["reference_kl"]:
            self._log("reference_coefficient", self.reference.coefficient)
            self.reference.adapt(self._mean("reference_kl"))

    def _create_iterator_if_necessary(self, *, training_data: TrainingData, **_: Any) -> Iterator[MultiAgentBatch]:
        columns: dict[str, Columns] = {name: dict(batch) for name, batch in training_data.batch.policy_batches.items()}
        critic = {key: torch.as_tensor(value, device=self._device) for key, value in columns.pop(CRITIC).items()}
        self._take_in(columns)
        table = joint_table(columns, self._tables, critic["legal"]) if "legal" in critic else None
        advantages = self._estimate(critic, table)
        actors = {name: self._actor_tensors(name, own, advantages) for name, own in columns.items()}
        yield from self._minibatches(actors)
        if self.critic is not None:
            yield from self._critic_passes(critic)

    def _take_in(self, columns: Mapping[str, Columns]) -> None:
        """The actors' rows, and where the algorithm weighs all options their log-probabilities before any step."""
        actors = self._actors()
        self._rows = {name: actors[name].rows(own) for name, own in columns.items()}
        if self.preset.advantage == "counterfactual" or self.preset.surrogate == "mirror_descent":
            read = {name: read_all(actors[name], rows, self._tokens) for name, rows in self._rows.items()}
            self._tables = {name: result.table for name, result in read.items()}

    @property
    def _tokens(self) -> int:
        return self.config.scenario.training.tokens_a_batch

    def _estimate(self, critic: dict[str, Tensor], table: Tensor | None = None) -> Tensor:
        """Advantages [T], 0 on artificial rows; adds `target` (normalized value targets), `learned` (which rows have
        one) and `before` (what the critic says now) to the critic's columns.
        """
        evidence = Evidence(critic, self.config.scenario.training, self.critic, table, self.baselines)
        estimate = ESTIMATES[self.preset.advantage](evidence)
        if estimate.baselines is not None:
            self.baselines = estimate.baselines
        if self.critic is not None and estimate.lesson is not None:
            targets, marked, now = estimate.lesson.targets, estimate.lesson.marked, estimate.lesson.predictions
            self._log("explained_variance", objectives.explained_variance(now[marked], targets[marked]))
            self.critic.take_in(targets[marked], critic["agent"][marked])
            critic["target"] = self.critic.normalized(targets, critic["agent"])
            critic["before"] = self.critic.normalized(now, critic["agent"])
            critic["learned"] = marked
        return estimate.advantages

    def _actor_tensors(self, name: str, columns: Columns, advantages: Tensor) -> dict[str, Tensor]:
        old, mask = recorded(columns)
        own = advantages[torch.as_tensor(columns["row"], device=advantages.device)]
        tensors = {
            "old_log_probs": old.to(self._device),
            "old_mask": mask.to(self._device),
            "advantage": objectives.normalize(own) if self.preset.normalize else own,
            "choice": torch.as_tensor(columns["choice"], device=self._device),
            "talk": torch.as_tensor(columns["talk"], device=self._device),
            "index": torch.arange(len(own)),
        }
        if self.preset.surrogate == "mirror_descent":
            tensors["old_table"] = self._tables[name]
        if self.reference is not None:
            actor = self._actors()[name]
            tensors |= self.reference.columns(actor, self._rows[name], old.shape[1], self._tokens)
        return tensors

    def _minibatches(self, actors: dict[str, dict[str, Tensor]]) -> Iterator[MultiAgentBatch]:
        training = self.config.scenario.training
        epochs, minibatches = (1, 1) if self.preset.one_step else (training.epochs, training.minibatches)
        rng = stream(self.config.scenario.seed, "minibatches", self._iteration)
        for _ in range(epochs):
            orders = {name: rng.permutation(len(own["index"])) for name, own in actors.items()}
            parts = {name: np.array_split(order, minibatches) for name, order in orders.items()}
            for number in range(minibatches):
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
        actors = self._actors()
        rows = {name: actors[name].take(self._rows[name], own["index"]) for name, own in batch.items()}
        accumulate(actors, batch, rows, self._actor_loss, tokens=self._tokens, backward=self._backward)
        if self._unscaled():
            gradients = {ref: param.grad for ref, param in self._params.items() if param.grad is not None}
            self.apply_gradients(self.postprocess_gradients(gradients))
        return {}, {}, {}

    def _backward(self, actor: ActorModule, loss: Tensor) -> None:
        (self.scaler.scale(loss) if actor.precision == "float16" else loss).backward()

    def _unscaled(self) -> bool:
        """Take the loss scale of float16 out of the gradients again; False where it made them overflow.

        The scale is then halved, and this step is left out (Micikevicius et al., "Mixed precision training", 2018).
        """
        if not self.scaler.is_enabled():
            return True
        finite = True
        for name, actor in self._actors().items():
            given = [parameter.grad for parameter in actor.parameters() if parameter.grad is not None]
            if given and actor.precision == "float16":
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
        values = fwd_out["values"]
        if values.ndim == 2:
            values = values.gather(-1, batch["chosen"].unsqueeze(-1)).squeeze(-1)
        clip = self.config.scenario.training.critic.value_clip
        before = None if clip is None else batch["before"]
        loss = objectives.value_loss(values, batch["target"], batch["learned"], old_predictions=before, clip=clip)
        self._log("value_loss", loss)
        return _checked(module_id, loss)

    def _actor_loss(self, name: str, part: Part, given: Given, shares: Shares) -> Tensor:
        """The part's share of an actor's surrogate loss less its entropy bonuses."""
        training = self.config.scenario.training
        new, mask, width = given.log_probs, given.mask, given.mask.shape[1]
        old = part["old_log_probs"][:, :width].to(new.dtype)
        if not torch.equal(mask, part["old_mask"][:, :width]) or part["old_mask"][:, width:].any():
            raise LearningError(
                "the model gives other tokens a log-probability than those that were recorded in acting"
            )
        surrogate = SURROGATES[self.preset.surrogate](part | {"old_log_probs": old}, given, training)
        with torch.no_grad():
            deviation = objectives.ratio_deviation(new, old, mask)
            self._log("approx_kl", objectives.approximate_kl(new, old, mask), shares.turns)
            if self.preset.surrogate == "ppo":
                clipped = objectives.clip_fraction(new, old, mask, clip=training.clip, credit=training.credit)
                self._log("clip_fraction", clipped, shares.turns)
        if not self._stepped:
            self._first_deviation = max(self._first_deviation, float(deviation))
        self._log("policy_loss", surrogate, shares.turns)
        loss = surrogate * shares.turns
        if self.reference is not None:
            left = divergence(part, given)
            self._log("reference_kl", left, shares.turns)
            loss = loss + self.reference.coefficient * shares.turns * left
        for kind, turns, share, ends in (
            ("action", ~part["talk"], shares.act, training.action_entropy),
            ("message", part["talk"], shares.talk, training.message_entropy),
        ):
            if bool(turns.any()):
                spread = objectives.entropy_bonus(given.entropy, mask, turns)
                self._log(f"entropy_{kind}", spread, share)
                loss = loss - objectives.scheduled(ends, self._iteration, training.iterations) * share * spread
        return _checked(name, loss)

    def postprocess_gradients_for_module(
        self, *, module_id: str, config: AlgorithmConfig | None = None, module_gradients_dict: dict[Any, Tensor]
    ) -> dict[Any, Tensor]:
        """Clip. A module that this step leaves alone has nothing to clip, and no norm of 0 to report."""
        if not module_gradients_dict:
            return {}
        clipped: dict[Any, Tensor] = super().postprocess_gradients_for_module(
            module_id=module_id, config=config, module_gradients_dict=module_gradients_dict
        )
        return clipped

    def apply_gradients(self, gradients_dict: dict[Any, Tensor]) -> None:
        """Step the optimizers that have gradients. A gradient that is not finite raises: none is replaced by zero."""
        sums = {parameter: gradient.sum() for parameter, gradient in gradients_dict.items()}
        # A sum is finite only where all its terms are; looked at together, they make the device wait once.
        if sums and not bool(torch.stack(list(sums.values())).isfinite().all()):
            shape = next(tuple(parameter.shape) for parameter, total in sums.items() if not torch.isfinite(total))
            raise LearningError(f"a gradient of shape {shape} is not finite; lower training.lr or look at the rewards")
        for parameter, gradient in gradients_dict.items():
            parameter.grad = gradient
        for optimizer in self._named_optimizers.values():
            optimizer.step()
        self._stepped = True

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """With the roles' baselines and the reference's price, on which the next iteration depends."""
        state: dict[str, Any] = super().get_state(components, not_components=not_components, **kwargs)
        if self._check_component(BASELINES, components, not_components):
            state[BASELINES] = self.baselines.clone()
        if self.reference is not None and self._check_component(PRICE, components, not_components):
            state[PRICE] = self.reference.coefficient
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` gave."""
        super().set_state(state)
        if BASELINES in state:
            self.baselines = state[BASELINES].to(self._device)
        if PRICE in state and self.reference is not None:
            self.reference.coefficient = float(state[PRICE])

    def _log(self, name: str, value: Tensor | float, weight: float = 1.0) -> None:
        self._sums[name].append((float(value.detach() if isinstance(value, Tensor) else value), weight))

    def _mean(self, name: str) -> float:
        values, weights = zip(*self._sums[name], strict=True)
        return float(np.average(values, weights=weights))

    def report(self) -> dict[str, float]:
        """Means over the last update's minibatches: losses/* and first_ratio_deviation."""
        row = {f"losses/{name}": self._mean(name) for name in sorted(self._sums) if self._sums[name]}
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
