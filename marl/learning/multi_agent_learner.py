"""What every Learner here has: one optimizer a module, gradients that must be finite, means of what was measured."""

from __future__ import annotations

from abc import abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from torch import Tensor

from marl.errors import LearningError
from marl.learning.actor import ActorModule
from marl.learning.batch import is_critic
from marl.learning.features import Columns
from marl.types import Episode

ITERATION = "iteration"
"""Key in `timesteps` under which the algorithm passes the 0-based iteration."""


class MultiAgentLearner(TorchLearner):
    """One call of `update` = one iteration of training, of all actors and of the critic where there is one."""

    def build(self) -> None:
        """Build modules and optimizers."""
        super().build()
        self._iteration = 0
        self._sums: dict[str, list[tuple[float, float]]] = defaultdict(list)
        half = [name for name, actor in self._actors().items() if actor.precision == "float16"]
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=bool(half))

    @abstractmethod
    def columns(self, episodes: Sequence[Episode]) -> dict[str, Columns]:
        """What `update` takes of these episodes, by module id. Raises LearningError where nothing can be learned."""

    def _actors(self) -> dict[str, ActorModule]:
        return {name: module.unwrapped() for name, module in self.module.items() if not is_critic(name)}

    def configure_optimizers_for_module(self, module_id: str, config: AlgorithmConfig | None = None) -> None:
        """Adam for every module; the critic has its own learning rate."""
        training = self.config.scenario.training
        params = [p for p in self.get_parameters(self.module[module_id]) if p.requires_grad]
        optimizer = torch.optim.Adam(params, lr=training.critic.lr if is_critic(module_id) else training.lr)
        self.register_optimizer(module_id=module_id, optimizer=optimizer, params=params)

    def before_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Note which iteration this is; schedules and row order depend on it. Set the actors' learning rates.

        Linear annealing: Huang et al., "The 37 Implementation Details of Proximal Policy Optimization", 2022, no. 4.
        """
        super().before_gradient_based_update(timesteps=timesteps)
        self._iteration = int(timesteps[ITERATION])
        self._sums.clear()
        training = self.config.scenario.training
        if training.anneal_lr:
            for name in self._actors():
                for _, optimizer in self.get_optimizers_for_module(name):
                    for group in optimizer.param_groups:
                        group["lr"] = training.lr * (1 - self._iteration / training.iterations)

    def _gradients(self) -> dict[Any, Tensor]:
        """What `backward` left, clipped as the scenario says."""
        found = {ref: param.grad for ref, param in self._params.items() if param.grad is not None}
        gradients: dict[Any, Tensor] = self.postprocess_gradients(found)
        return gradients

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

    def _log(self, name: str, value: Tensor | float, weight: float = 1.0) -> None:
        self._sums[name].append((float(value.detach() if isinstance(value, Tensor) else value), weight))

    def _mean(self, name: str) -> float:
        values, weights = zip(*self._sums[name], strict=True)
        return float(np.average(values, weights=weights))

    def learning_rate(self, module_id: str) -> float:
        """The module's learning rate as its optimizer has it now."""
        ((_, optimizer), *_) = self.get_optimizers_for_module(module_id)
        return float(optimizer.param_groups[0]["lr"])

    def report(self) -> dict[str, float]:
        """Means over the last update's minibatches: losses/*."""
        return {f"losses/{name}": self._mean(name) for name in sorted(self._sums) if self._sums[name]}


def checked(module_id: str, loss: Tensor) -> Tensor:
    """`loss`. Raises LearningError where it is not finite."""
    if not torch.isfinite(loss):
        raise LearningError(
            f"the loss of module {module_id!r} is {float(loss)}; lower training.lr or look at the rewards"
        )
    return loss


def minibatch(parts: dict[str, dict[str, Any]]) -> MultiAgentBatch:
    """A MultiAgentBatch of columns; its env steps are counted elsewhere, RLlib only asks for a positive number."""
    return MultiAgentBatch({name: SampleBatch(columns) for name, columns in parts.items()}, env_steps=1)
