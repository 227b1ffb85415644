"""The Learner of the value-based algorithms: transitions into a replay buffer, steps on batches out of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.policy.sample_batch import MultiAgentBatch
from torch import Tensor

from marl.errors import LearningError
from marl.learning import objectives
from marl.learning.batch import CRITIC
from marl.learning.features import Columns
from marl.learning.multi_agent_learner import MultiAgentLearner, checked, minibatch
from marl.learning.presets import QPreset, preset
from marl.learning.q_actor import QActor
from marl.learning.q_batch import own_transitions, packed, team_transitions, transition_rows, unpacked
from marl.learning.replay import ReplayBuffer, Rows
from marl.learning.seating import learning_policies
from marl.learning.target import Target
from marl.seeding import stream
from marl.types import Episode

Q_STATE = "q_learning"
"""Key of the learner's own state, beside RLlib's."""

Read = list[tuple[Tensor, Tensor]]
"""For each seat Q values and legal options, [B, A] each."""


class QLearner(MultiAgentLearner):
    """One call of `update` = one iteration: its transitions go into the replay buffers, then `q.updates` steps, each on
    a batch of every buffer.

    There is a buffer for each policy with `mixing` "alone", else one for the team. Everything that the next iteration
    depends on is in the state: buffers with their generators, target networks, the number of steps.
    """

    def build(self) -> None:
        """Build modules, optimizers, target networks and buffers. Raises LearningError for float16, and no team."""
        super().build()
        scenario, parts = self.config.scenario, preset(self.config.scenario.training.algorithm)
        assert isinstance(parts, QPreset)
        self.mixing, self.settings = parts.mixing, scenario.training.q
        half = [name for name, actor in self._actors().items() if actor.precision == "float16"]
        if half:
            raise LearningError(f"policies {half} compute in float16, in which Q values overflow; set bfloat16")
        learning = learning_policies(scenario)
        self.team = [agent for agent in self.config.layout.agents if scenario.seats[agent] in learning]
        seats = [scenario.seats[agent] for agent in self.team]
        self.seats = {name: [name] for name in learning} if self.mixing == "alone" else {seats[0]: seats}
        self.buffers = {
            name: ReplayBuffer(self.settings.buffer, stream(scenario.seed, "replay", name)) for name in self.seats
        }
        self.targets = {name: Target(module.unwrapped()) for name, module in self.module.items()}
        self._steps_made = 0

    def columns(self, episodes: Sequence[Episode]) -> dict[str, Columns]:
        """Transitions by the buffer that they are for; exploration counts what was done."""
        learning, actors = learning_policies(self.config.scenario), self._q_actors()
        steps, gamma = self.settings.steps, self.config.scenario.training.gamma
        if self.mixing == "alone":
            found = own_transitions(episodes, learning, steps=steps, gamma=gamma)
        else:
            together = team_transitions(episodes, self.team, learning, steps=steps, gamma=gamma)
            found = dict.fromkeys(self.seats, together)
        if not any(found.values()):
            errors = sorted({episode.error for episode in episodes if episode.error})
            raise LearningError(
                f"no transition to learn from in {len(episodes)} episodes (failures: {errors or 'none'}): where an "
                "episode is cut, the last decision has no known value; let it end, or make it longer"
            )
        for name, actor in actors.items():
            actor.count([t for e in episodes if e.outcome != "failed" for t in e.turns if t.policy == name])
        return {
            name: packed(
                transition_rows(rows, [actors[seat] for seat in self.seats[name]], state=self.mixing == "monotonic")
            )
            for name, rows in found.items()
            if rows
        }

    def _q_actors(self) -> dict[str, QActor]:
        return {name: actor for name, actor in self._actors().items() if isinstance(actor, QActor)}

    def _create_iterator_if_necessary(self, *, training_data: TrainingData, **kwargs: Any) -> Iterator[MultiAgentBatch]:
        for name, batch in training_data.batch.policy_batches.items():
            self.buffers[name].add(unpacked(dict(batch)))
        filled = {name: buffer for name, buffer in self.buffers.items() if len(buffer)}
        for _ in range(self.settings.updates):
            yield minibatch({name: packed(buffer.sample(self.settings.batch)) for name, buffer in filled.items()})

    def _update(self, batch: dict[str, Any], **_: Any) -> Any:
        """One step of all actors, and of the mixing network."""
        for optimizer in self._optimizer_parameters:
            optimizer.zero_grad(set_to_none=True)
        for name, rows in batch.items():
            self.compute_loss_for_module(module_id=name, config=self.config, batch=rows, fwd_out={}).backward()
        self.apply_gradients(self._gradients())
        self._steps_made += 1
        if self._steps_made % self.settings.target_every == 0:
            for target in self.targets.values():
                target.follow(self.settings.tau)
        return {}, {}, {}

    def compute_loss_for_module(
        self, *, module_id: str, config: AlgorithmConfig, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> Tensor:
        """The Huber loss of what the seats did together, on the batch of one buffer."""
        rows, seats = unpacked(dict(batch)), self.seats[module_id]
        tensors = {name: torch.as_tensor(c, device=self._device) for name, c in rows.items() if not isinstance(c, list)}
        present = torch.stack([tensors[f"{seat}/present"] for seat in range(len(seats))], dim=-1)
        taken = [
            objectives.chosen_q(q, tensors[f"{seat}/choice"])
            for seat, (q, _) in enumerate(self._read(seats, rows, "now"))
        ]
        total = self._mix(torch.stack(taken, dim=-1), present, tensors.get("state"))
        targets = objectives.td_targets(
            tensors["reward"],
            self._following(seats, rows, tensors),
            tensors["terminal"],
            gamma=config.scenario.training.gamma,
            steps=tensors["steps"],
        )
        every, q = torch.ones_like(tensors["terminal"]), self.settings
        loss = objectives.q_loss(total, targets, every, delta=q.huber, overestimate=q.overestimate)
        self._log("td_loss", loss)
        self._log("q_values", total.mean())
        return checked(module_id, loss)

    @torch.no_grad()
    def _following(self, seats: Sequence[str], rows: Rows, tensors: dict[str, Tensor]) -> Tensor:
        """[B]: what the target networks say that the seats are worth together after the transition."""
        online = self._read(seats, rows, "then") if self.settings.double else None
        with ExitStack() as lagged:
            for target in self.targets.values():
                lagged.enter_context(target.in_place())
            values = [
                objectives.next_values(
                    q, legal, legal.any(dim=-1), online_next_q=None if online is None else online[seat][0]
                )
                for seat, (q, legal) in enumerate(self._read(seats, rows, "then"))
            ]
            present = torch.stack([tensors[f"{seat}/next_present"] for seat in range(len(seats))], dim=-1)
            return self._mix(torch.stack(values, dim=-1), present, tensors.get("next_state"))

    def _mix(self, values: Tensor, present: Tensor, state: Tensor | None) -> Tensor:
        """Q_tot [B] of the seats' values [B, N]; of one seat its own."""
        if self.mixing != "monotonic":
            return objectives.vdn(values, present)
        mixed: Tensor = (
            self.module[CRITIC].unwrapped()._forward({"values": values, "present": present, "state": state})["values"]
        )
        return mixed

    def _read(self, seats: Sequence[str], rows: Rows, when: str) -> Read:
        """Q values and legal options of all seats, those of one policy in one pass."""
        actors = self._q_actors()
        found: dict[int, tuple[Tensor, Tensor]] = {}
        for name in dict.fromkeys(seats):
            mine = [seat for seat, policy in enumerate(seats) if policy == name]
            q, legal = actors[name].values(_joined([_situations(rows, f"{seat}/{when}/") for seat in mine]))
            found |= dict(zip(mine, zip(q.chunk(len(mine)), legal.chunk(len(mine)), strict=True), strict=True))
        return [found[seat] for seat in range(len(seats))]

    def after_gradient_based_update(self, *, timesteps: dict[str, Any]) -> None:
        """Set what the next iteration's play explores with."""
        super().after_gradient_based_update(timesteps=timesteps)
        for actor in self._q_actors().values():
            actor.exploration.set_iteration(self._iteration + 1, self.config.scenario.training.iterations)

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """With the buffers, the target networks and the number of steps."""
        state: dict[str, Any] = super().get_state(components, not_components=not_components, **kwargs)
        if self._check_component(Q_STATE, components, not_components):
            state[Q_STATE] = {
                "buffers": {name: buffer.state_dict() for name, buffer in self.buffers.items()},
                "targets": {name: target.get_state() for name, target in self.targets.items()},
                "steps": self._steps_made,
            }
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over what `get_state` gave."""
        super().set_state(state)
        if Q_STATE in state:
            own = state[Q_STATE]
            for name, buffer in self.buffers.items():
                buffer.load_state_dict(own["buffers"][name])
            for name, target in self.targets.items():
                target.set_state(own["targets"][name])
            self._steps_made = int(own["steps"])

    def report(self) -> dict[str, float]:
        """losses/td_loss and losses/q_values; charts/epsilon, which the next play has; charts/replay_size."""
        row = super().report() | {"charts/replay_size": sum(map(len, self.buffers.values()))}
        if self.settings.explore == "epsilon":
            row["charts/epsilon"] = float(next(iter(self._q_actors().values())).exploration.epsilon)
        return row


def _situations(rows: Rows, prefix: str) -> Rows:
    return {name.removeprefix(prefix): column for name, column in rows.items() if name.startswith(prefix)}


def _joined(parts: Sequence[Rows]) -> Rows:
    return {
        name: np.concatenate([part[name] for part in parts])
        if isinstance(column, np.ndarray)
        else [entry for part in parts for entry in part[name]]
        for name, column in parts[0].items()
    }
