"""The Learner of the policy-gradient algorithms: advantages, steps of the actors, regression of the critic."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.policy.sample_batch import MultiAgentBatch
from torch import Tensor

from marl.errors import LearningError
from marl.learning import objectives
from marl.learning.actor import ActorModule, read_all, recorded
from marl.learning.advantages import ESTIMATES, joint_table, normalized_by_task
from marl.learning.advantages import Given as Evidence
from marl.learning.batch import CRITIC, is_critic
from marl.learning.bonus import average_message, bonus
from marl.learning.critic import CriticModule
from marl.learning.features import Columns
from marl.learning.gradients import Given, Part, Shares, accumulate
from marl.learning.multi_agent_learner import ITERATION, MultiAgentLearner, checked, minibatch
from marl.learning.peers import Peers
from marl.learning.presets import Preset, preset
from marl.learning.reference import Reference, divergence
from marl.learning.seating import learning_policies
from marl.learning.surrogates import SURROGATES
from marl.learning.task_batch import critics_first, task_batch
from marl.seeding import stream
from marl.types import Episode

__all__ = ["ITERATION", "PolicyGradientLearner"]

logger = logging.getLogger(__name__)
BASELINES, PRICE, LOSS_SCALE = "role_baselines", "reference_coefficient", "loss_scale"
"""Keys of the learner's own state, beside RLlib's."""


class PolicyGradientLearner(MultiAgentLearner):
    """One call of `update` = one iteration: value estimates, advantages, `epochs` of minibatches for every actor at
    once, then `critic.epochs` passes over the whole batch for the critic. The scenario's preset names the parts.

    The order of rows in minibatches comes from (seed, iteration) only, so that a resumed run repeats it. Several
    learners (`peers`) split the passes over rows and make the same steps.
    """

    def build(self) -> None:
        """Build modules and optimizers."""
        if self.config.num_learners:
            torch.set_num_threads(1)
        self.peers = Peers.joined(self.config.num_learners)
        super().build()
        parts = preset(self.config.scenario.training.algorithm)
        assert isinstance(parts, Preset)
        self.preset = parts
        agents = {name: len(layout.agents) for name, layout in self.config.critics().items()}
        ends = np.cumsum([0, *agents.values()]).tolist()
        self._roles = {name: slice(*ends[place : place + 2]) for place, name in enumerate(agents)}
        self.baselines = torch.zeros(ends[-1], device=self._device)
        wanted = self.config.scenario.training.reference
        self.reference = None if wanted is None else Reference(wanted)
        self._rows: dict[str, Any] = {}
        self._tables: dict[str, Tensor] = {}
        self._first_deviation = 0.0
        self._stepped = False

    def _make_modules_ddp_if_necessary(self) -> None:
        """In place of DDP, which averages and wants the same passes of all: begin with the same weights."""
        for module in self.module.values():
            self.peers.align(module)

    def columns(self, episodes: Sequence[Episode]) -> dict[str, Columns]:
        """The columns of `marl.learning.task_batch.task_batch`."""
        return task_batch(episodes, learning_policies(self.config.scenario), self.config.layouts)

    def critic(self, module_id: str = CRITIC) -> CriticModule | None:
        """The critic of that id without its DDP wrapping, if the algorithm has one."""
        return self.module[module_id].unwrapped() if module_id in self.module else None

    def configure_optimizers_for_module(self, module_id: str, config: AlgorithmConfig | None = None) -> None:
        """Adam for every module; the critic's parts have their own learning rates."""
        critic = self.critic(module_id) if is_critic(module_id) else None
        if critic is None:
            super().configure_optimizers_for_module(module_id, config)
            return
        training = self.config.scenario.training
        params = [p for p in self.get_parameters(critic) if p.requires_grad]
        optimizer = torch.optim.Adam(critic.groups(training.critic.lr), lr=training.lr)
        self.register_optimizer(module_id=module_id, optimizer=optimizer, params=params)

    def before_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Note which iteration this is; schedules and row order depend on it."""
        super().before_gradient_based_update(timesteps=timesteps)
        self._first_deviation = 0.0
        self._stepped = False
        for critic in filter(None, map(self.critic, self.config.critics())):
            critic.begin()

    def after_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Let the price of leaving the reference follow what this iteration measured, in all learners together."""
        super().after_gradient_based_update(timesteps=timesteps)
        every = self.peers.gathered(lambda: (dict(self._sums), self._first_deviation))
        self._first_deviation = max(deviation for _, deviation in every)
        self._sums.clear()
        for sums, _ in every:
            for name, values in sums.items():
                self._sums[name] += values
        if self.reference is not None and self._sums["reference_kl"]:
            self._log("reference_coefficient", self.reference.coefficient)
            self.reference.adapt(self._mean("reference_kl"))

    def _create_iterator_if_necessary(self, *, training_data: TrainingData, **_: Any) -> Iterator[MultiAgentBatch]:
        columns: dict[str, Columns] = {
            name: {key: _writable(value) for key, value in batch.items()}
            for name, batch in training_data.batch.policy_batches.items()
        }
        given, columns = critics_first(columns)
        critics = {
            name: {key: torch.as_tensor(value, device=self._device) for key, value in own.items()}
            for name, own in given.items()
        }
        self._take_in(columns)
        parts, first = [], 0
        for name, critic in critics.items():
            table = joint_table(columns, self._tables, critic["legal"], first) if "legal" in critic else None
            parts.append(self._estimate(critic, table, name))
            first += len(critic["agent"])
        advantages = torch.cat(parts)
        actors = {name: self._actor_tensors(name, own, advantages) for name, own in columns.items()}
        yield from self._minibatches(actors)
        if any(name in self.module for name in critics):
            yield from self._critic_passes(critics)

    def _take_in(self, columns: Mapping[str, Columns]) -> None:
        """The actors' rows, and where the algorithm weighs all options their log-probabilities before any step."""
        actors = self._actors()
        self._rows = {name: actors[name].rows(own) for name, own in columns.items()}
        if self.preset.advantage == "counterfactual" or self.preset.surrogate == "mirror_descent":
            read = {
                name: read_all(actors[name], rows, self._tokens, peers=self.peers) for name, rows in self._rows.items()
            }
            self._tables = {name: result.table for name, result in read.items()}

    @property
    def _tokens(self) -> int:
        return self.config.scenario.training.tokens_a_batch

    def _estimate(self, critic: dict[str, Tensor], table: Tensor | None = None, name: str = CRITIC) -> Tensor:
        """Advantages [T], 0 on artificial rows; adds `target` (normalized value targets), `learned` (which rows have
        one) and `before` (what the critic says now) to the critic's columns.
        """
        module, roles = self.critic(name), self._roles[name]
        values = None if module is None else self._values(module, critic)
        evidence = Evidence(critic, self.config.scenario.training, values, table, self.baselines[roles])
        estimate = ESTIMATES[self.preset.advantage](evidence)
        if estimate.baselines is not None:
            self.baselines = self.baselines.clone()
            self.baselines[roles] = estimate.baselines
        if module is not None and estimate.lesson is not None:
            targets, marked, now = estimate.lesson.targets, estimate.lesson.marked, estimate.lesson.predictions
            self._log("explained_variance", objectives.explained_variance(now[marked], targets[marked]))
            module.take_in(targets[marked], critic["agent"][marked])
            critic["target"] = module.normalized(targets, critic["agent"])
            critic["before"] = module.normalized(now, critic["agent"])
            critic["learned"] = marked
        return estimate.advantages

    def _values(self, module: CriticModule, critic: dict[str, Tensor]) -> Tensor:
        """What the critic says of all rows, of which this learner reads its share."""
        own = self.peers.share(len(critic["agent"]))
        parts = self.peers.gathered(lambda: module.values_at(critic, own, self._tokens))
        return torch.cat(parts)

    def _actor_tensors(self, name: str, columns: Columns, advantages: Tensor) -> dict[str, Tensor]:
        old, mask = recorded(columns)
        own = advantages[torch.as_tensor(columns["row"], device=advantages.device)]
        task = torch.as_tensor(columns["task"], device=self._device) if "task" in columns else None
        tensors = {
            "old_log_probs": old.to(self._device),
            "old_mask": mask.to(self._device),
            "advantage": normalized_by_task(own, task) if self.preset.normalize else own,
            "choice": torch.as_tensor(columns["choice"], device=self._device),
            "talk": torch.as_tensor(columns["talk"], device=self._device),
            "index": torch.arange(len(own)),
        }
        if self.preset.surrogate == "mirror_descent":
            tensors["old_table"] = self._tables[name]
        if self.reference is not None:
            actor = self._actors()[name]
            tensors |= self.reference.columns(actor, self._rows[name], old.shape[1], self._tokens, self.peers)
        return tensors

    def _minibatches(self, actors: dict[str, dict[str, Tensor]]) -> Iterator[MultiAgentBatch]:
        training = self.config.scenario.training
        epochs, minibatches = (1, 1) if self.preset.one_step else (training.epochs, training.minibatches)
        rng = stream(self.config.scenario.seed, "minibatches", self._iteration)
        modules = self._actors()
        for _ in range(epochs):
            parts = {name: modules[name].minibatches(self._rows[name], minibatches, rng) for name in actors}
            for number in range(minibatches):
                found = {
                    name: {key: value[torch.as_tensor(parts[name][number])] for key, value in own.items()}
                    for name, own in actors.items()
                    if len(parts[name][number])
                }
                if found:  # there may be fewer rows than minibatches
                    yield minibatch(found)

    def _critic_passes(self, critics: dict[str, dict[str, Tensor]]) -> Iterator[MultiAgentBatch]:
        for _ in range(self.config.scenario.training.critic.epochs):
            yield minibatch(critics)

    def _update(self, batch: dict[str, Any], **kwargs: Any) -> Any:
        """One step: of the critic, or of all critics at once, or of all actors."""
        for optimizer in self._optimizer_parameters:
            optimizer.zero_grad(set_to_none=True)
        named = [pair for name in batch for pair in self.get_optimizers_for_module(name)]
        params = [param for _, optimizer in named for param in self._optimizer_parameters[optimizer]]
        critics = any(map(is_critic, batch))
        add = self._add_critics if critics else self._add_actors
        self.peers.add_up([self._params[ref] for ref in params], lambda: add(batch))
        if critics or self._unscaled():
            self.apply_gradients(self._gradients())
        return {}, {}, {}

    def _add_actors(self, batch: dict[str, dict[str, Tensor]]) -> None:
        actors = self._actors()
        rows = {name: actors[name].take(self._rows[name], own["index"]) for name, own in batch.items()}
        accumulate(
            actors,
            {name: own | self._average(actors[name], rows[name], own["talk"]) for name, own in batch.items()},
            rows,
            self._actor_loss,
            tokens=self._tokens,
            backward=self._backward,
            share=self.peers.share,
        )

    def _average(self, actor: ActorModule, rows: Any, talk: Tensor) -> dict[str, Tensor]:
        """What `bonus` compares messages with, where messages that tell are paid for.

        It is read again for each step: the average of the iteration's start would pay for moving away from it together.
        """
        training = self.config.scenario.training
        if not objectives.scheduled(training.signaling, self._iteration, training.iterations) or not bool(talk.any()):
            return {}
        said = read_all(actor, actor.take(rows, talk.nonzero().squeeze(-1).cpu()), self._tokens, peers=self.peers)
        return {"average_message": average_message(said.table).expand(len(talk), -1)}

    def _add_critics(self, batch: dict[str, dict[str, Tensor]]) -> None:
        for name, whole in batch.items():
            self._add_critic(name, whole)

    def _add_critic(self, name: str, whole: dict[str, Tensor]) -> None:
        """Add the gradient of the mean over all learned rows, of which this learner reads its share."""
        module = self.critic(name)
        assert module is not None
        for piece in module.pieces(whole, self.peers.share(len(whole["agent"])), self._tokens):
            everything = len(piece) == len(whole["agent"])
            part = whole if everything else {key: value[piece] for key, value in whole.items()}
            weight = float(part["learned"].sum() / whole["learned"].sum())
            if weight:
                values = module.forward_train(part)
                loss = self.compute_loss_for_module(
                    module_id=name, config=self.config, batch=part, fwd_out=values, weight=weight
                )
                (loss * weight).backward()

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
        self,
        *,
        module_id: str,
        config: AlgorithmConfig,
        batch: dict[str, Any],
        fwd_out: dict[str, Any],
        weight: float = 1,
    ) -> Tensor:
        """The critic's regression, over a part that has `weight` of all rows; the actors' loss is in `accumulate`."""
        values = fwd_out["values"]
        if values.ndim == 2:
            values = values.gather(-1, batch["chosen"].unsqueeze(-1)).squeeze(-1)
        clip = self.config.scenario.training.critic.value_clip
        before = None if clip is None else batch["before"]
        loss = objectives.value_loss(values, batch["target"], batch["learned"], old_predictions=before, clip=clip)
        self._log("value_loss", loss, weight)
        return checked(module_id, loss)

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
                self._log("clipfrac", clipped, shares.turns)
        if not self._stepped:
            self._first_deviation = max(self._first_deviation, float(deviation))
        self._log("policy_loss", surrogate, shares.turns)
        loss = surrogate * shares.turns
        if self.reference is not None:
            left = divergence(part, given)
            self._log("reference_kl", left, shares.turns)
            loss = loss + self.reference.coefficient * shares.turns * left
        loss = loss - bonus(part, given, training, self._iteration, shares, self._log)
        return checked(name, loss)

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
        """Note that a step was made, so that ratios are those of another policy from now on."""
        super().apply_gradients(gradients_dict)
        self._stepped = True

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """With the roles' baselines, the reference's price and the loss scale, on which the next iteration depends."""
        state: dict[str, Any] = super().get_state(components, not_components=not_components, **kwargs)
        if self._check_component(BASELINES, components, not_components):
            state[BASELINES] = self.baselines.clone()
        if self.reference is not None and self._check_component(PRICE, components, not_components):
            state[PRICE] = self.reference.coefficient
        if self.scaler.is_enabled() and self._check_component(LOSS_SCALE, components, not_components):
            state[LOSS_SCALE] = self.scaler.state_dict()
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` gave."""
        super().set_state(state)
        if BASELINES in state:
            self.baselines = state[BASELINES].to(self._device)
        if PRICE in state and self.reference is not None:
            self.reference.coefficient = float(state[PRICE])
        if state.get(LOSS_SCALE):
            self.scaler.load_state_dict(state[LOSS_SCALE])

    def report(self) -> dict[str, float]:
        """Means over the last update's minibatches: losses/*, and how far its first one was from a ratio of 1."""
        row = super().report()
        row["losses/first_ratio_deviation"] = self._first_deviation
        return row


def _writable(column: np.ndarray) -> np.ndarray:
    """The column itself, or a copy of one that lies in Ray's object store."""
    return column if column.flags.writeable else column.copy()
