"""(a) The learner's iteration against a plain-torch PPO loop, which must first give the same gradients.

The loop is what one writes for one's own experiment: padded tensors, one forward a minibatch, Adam; no RLlib, no
records, no logging. Its networks are copies of the learner's own; batch, order of rows, epochs, minibatches and
coefficients are the same. Its inputs are ready-made, out of the clock, and of a language model only the states that
are asked for go through the output embedding. Ours starts from the episodes (or arrays) as they were sampled, so that
making the columns is in its time. Limits of the loop: options of one token, trajectories of one length.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from bench_timing import Ratio, check_equal, interleave, ratio, table
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils import clip_grad_norm_
from torch.optim.optimizer import register_optimizer_step_pre_hook

from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.array_batch import array_columns
from marl.learning.batch import CRITIC, column_batch
from marl.learning.config import MultiAgentConfig
from marl.learning.features import Columns
from marl.learning.learner import ITERATION
from marl.learning.seating import learning_policies
from marl.learning.task import Task
from marl.scenario import load_scenario
from marl.seeding import stream

Rows = dict[str, Tensor]
MOST = 1.3
NETWORKS = [
    "policies.speaker={kind: network}",
    "policies.listener={kind: network}",
    "training.episodes=128",
    "training.epochs=10",
    "training.minibatches=1",
    "training.critic.epochs=10",
    "training.lr=7e-4",
    "training.critic.lr=7e-4",
    "training.action_entropy=[0.01,0.01]",
]
CASES = {
    "nano, scout_hunt": ("scout_hunt", []),
    "2 x 64 networks, speaker_listener": ("speaker_listener", NETWORKS),
}


class PlainPPO:
    """Copies of an algorithm's networks, and `update`."""

    def __init__(self, algorithm: MultiAgentAlgorithm) -> None:
        self.training = algorithm.config.scenario.training
        self.actors = {name: copy.deepcopy(actor.network) for name, actor in algorithm.actors().items()}
        self.critic = copy.deepcopy(algorithm.learner.critic())
        lr, critic_lr = self.training.lr, self.training.critic.lr
        self.adams = {name: torch.optim.Adam(net.parameters(), lr=lr) for name, net in self.actors.items()}
        self.critic_adam = torch.optim.Adam(self.critic.parameters(), lr=critic_lr)

    def follow(self, algorithm: MultiAgentAlgorithm) -> None:
        """Take the algorithm's weights as they are now."""
        for name, actor in algorithm.actors().items():
            self.actors[name].load_state_dict(actor.network.state_dict())
        self.critic.load_state_dict(algorithm.learner.critic().state_dict())

    def update(self, data: Data) -> None:
        """One iteration: advantages, the epochs of the actors, the critic's passes."""
        critic, training = data.critic, self.training
        advantages, targets, real = self.advantages(critic)
        own = {name: rows | {"advantage": standardized(advantages[rows["row"]])} for name, rows in data.rows.items()}
        for epoch in data.orders:
            for part in epoch:
                self.step({name: {key: col[part[name]] for key, col in rows.items()} for name, rows in own.items()})
        for _ in range(training.critic.epochs):
            self.critic_adam.zero_grad(set_to_none=True)
            values = self.critic._forward(critic)["values"]
            (0.5 * (values - targets)[real].square().mean()).backward()
            clip_grad_norm_(self.critic.parameters(), training.grad_clip)
            self.critic_adam.step()

    @torch.no_grad()
    def advantages(self, critic: Rows) -> tuple[Tensor, Tensor, Tensor]:
        """GAE over trajectories of one length, the critic's normalized targets, and which rows have one."""
        real, gamma, lam = ~critic["artificial"], self.training.gamma, self.training.gae_lambda
        values = self.critic.values_of(critic)
        length = int(critic["place"][real].max()) + 1
        reward, value = critic["reward"][real].view(-1, length), values[real].view(-1, length)
        after = values[~real] if bool((~real).any()) else torch.zeros(len(reward))
        gained, ahead = torch.zeros_like(reward), torch.zeros(len(reward))
        for step in reversed(range(length)):
            ahead = reward[:, step] + gamma * after - value[:, step] + gamma * lam * ahead
            gained[:, step], after = ahead, value[:, step]
        targets = torch.zeros_like(values)
        targets[real] = (gained + value).flatten()
        self.critic.take_in(targets[real], critic["agent"][real])
        return gained.flatten(), self.critic.normalized(targets, critic["agent"]), real

    def step(self, minibatch: Mapping[str, Rows]) -> None:
        """One step of all actors."""
        for name, rows in minibatch.items():
            self.adams[name].zero_grad(set_to_none=True)
            network = self.actors[name]
            read = text_log_probs if "ids" in rows else network_log_probs
            new, entropy = read(network, rows)
            mask, talk, gain = rows["mask"][:, : new.shape[1]], rows["talk"], rows["advantage"][:, None]
            rho = torch.where(mask, new - rows["old"][:, : new.shape[1]], 0.0).exp()
            clipped = rho.clamp(1 - self.training.clip, 1 + self.training.clip)
            loss = -torch.where(mask, torch.minimum(rho * gain, clipped * gain), 0.0).sum(-1).mean()
            turn = torch.where(mask, entropy, 0.0).sum(-1) / mask.sum(-1)
            kinds = ((~talk, self.training.action_entropy), (talk, self.training.message_entropy))
            for turns, (price, _) in kinds:
                if bool(turns.any()):
                    loss = loss - price * turn[turns].mean()
            loss.backward()
            clip_grad_norm_(network.parameters(), self.training.grad_clip)
            self.adams[name].step()


def text_log_probs(network: Any, rows: Rows) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies [T, C] of recorded tokens and, in column 0, of choices among options."""
    ids = rows["ids"][:, : int(rows["length"].max())]
    width = int(rows["mask"].sum(-1).max())
    mask, said = rows["mask"][:, :width], rows["talk"]
    hidden = network.model(input_ids=ids, use_cache=False).last_hidden_state
    at = (rows["prompt"][:, None] - 1 + torch.arange(width)).clamp(max=ids.shape[1] - 1)
    row, column = mask.nonzero(as_tuple=True)
    scores = network.lm_head(hidden[row, at[row, column]])
    talk = said[row]
    spoken = scores[talk].log_softmax(-1)
    tokens = rows["tokens"][row, column]
    options = rows["options"][row[~talk]]
    chosen = scores[~talk].gather(-1, options.clamp(min=0)).masked_fill(options < 0, -torch.inf).log_softmax(-1)
    log_probs, entropy = torch.zeros(mask.shape), torch.zeros(mask.shape)
    log_probs[row[talk], column[talk]] = spoken.gather(-1, tokens[talk, None]).squeeze(-1)
    log_probs[row[~talk], 0] = chosen.gather(-1, rows["choice"][row[~talk], None]).squeeze(-1)
    entropy[row[talk], column[talk]] = -(spoken.exp() * spoken).sum(-1)
    entropy[row[~talk], 0] = -(chosen.exp() * chosen.clamp(min=-1e9)).sum(-1)
    return log_probs, entropy


def network_log_probs(network: nn.Module, rows: Rows) -> tuple[Tensor, Tensor]:
    """The same, [T, 1], of a small network's choices."""
    log_all = network(rows["inputs"], rows["legal"])
    entropy = -(log_all.exp() * log_all.clamp(min=-1e9)).sum(-1, keepdim=True)
    return log_all.gather(-1, rows["choice"][:, None]), entropy


def standardized(values: Tensor) -> Tensor:
    """Mean 0, deviation 1."""
    return (values - values.mean()) / values.std(unbiased=False)


@dataclass
class Data:
    """What one iteration learns from: as it was sampled, and as ready-made tensors with the order of minibatches."""

    iteration: int
    columns: Callable[[], dict[str, Columns]]
    env_steps: int
    critic: Rows
    rows: dict[str, Rows]
    orders: list[list[dict[str, Tensor]]]


def tensors(columns: Columns, outputs: int) -> Rows:
    """One policy's columns as the loop wants them."""
    given = {key: torch.as_tensor(value) for key, value in columns.items()}
    mask = torch.arange(given["log_probs"].shape[1]) < given["log_prob_length"][:, None]
    rows = {"old": given["log_probs"], "mask": mask, **{key: given[key] for key in ("choice", "talk", "row")}}
    if "inputs" in given:
        legal = pad(given["legal"], (0, outputs - given["legal"].shape[1]))
        return rows | {"inputs": given["inputs"], "legal": legal}
    if int(given["option_length"].max()) > 1:
        raise SystemExit("the plain loop takes options of one token each; choose a scenario that has such")
    prompts, tokens = given["prompt_ids"], given["token_ids"]
    ids = pad(prompts, (0, tokens.shape[1]))
    spoken = torch.where(given["talk"], given["token_length"] - 1, 0)
    for row, (start, more) in enumerate(zip(given["prompt_length"].tolist(), spoken.tolist(), strict=True)):
        ids[row, start : start + more] = tokens[row, :more]
    options = torch.where(given["option_length"] > 0, given["option_ids"][..., 0], -1)
    return rows | {
        "ids": ids,
        "prompt": given["prompt_length"],
        "length": given["prompt_length"] + spoken,
        "tokens": tokens,
        "options": options,
    }


def data(algorithm: MultiAgentAlgorithm, iteration: int) -> Data:
    """Sample with the weights as they are, and make everything that the loop wants ready-made."""
    scenario, layout = algorithm.config.scenario, algorithm.config.layout
    training, learning = scenario.training, learning_policies(scenario)
    if algorithm._arrays is not None:
        play = algorithm._arrays.play(iteration)
        columns = partial(array_columns, play, scenario, learning, layout)
        steps = int(play.lengths.sum())
    else:
        first = iteration * training.episodes
        episodes = algorithm.play(Task(tuple(range(first, first + training.episodes)), 7))
        columns = partial(column_batch, episodes, learning, layout)
        steps = sum(episode.length for episode in episodes)
    made = columns()
    critic = {key: torch.as_tensor(value) for key, value in made.pop(CRITIC).items()}
    outputs = {
        name: getattr(actor.network, "shape", {}).get("outputs", 0) for name, actor in algorithm.actors().items()
    }
    rng = stream(scenario.seed, "minibatches", iteration)
    orders = []
    for _ in range(training.epochs):
        whole = {name: torch.from_numpy(rng.permutation(len(own["row"]))) for name, own in made.items()}
        parts = {name: order.tensor_split(training.minibatches) for name, order in whole.items()}
        orders.append([{name: parts[name][n] for name in parts} for n in range(training.minibatches)])
    rows = {name: tensors(own, outputs[name]) for name, own in made.items()}
    return Data(iteration, columns, steps, critic, rows, orders)


def ours(algorithm: MultiAgentAlgorithm, given: Data) -> None:
    """What `MultiAgentAlgorithm.training_step` does after sampling."""
    parts = {name: SampleBatch(own) for name, own in given.columns().items()}
    batch = MultiAgentBatch(parts, env_steps=given.env_steps)
    results = algorithm.learner_group.update(batch=batch, timesteps={ITERATION: given.iteration})
    algorithm.metrics.aggregate(results, key="learners")


def first_gradients(update: Callable[[], None]) -> dict[int, Tensor]:
    """The gradient of each parameter, by id, at the first step of its optimizer while `update` runs."""
    found: dict[int, Tensor] = {}

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None and id(parameter) not in found:
                    found[id(parameter)] = parameter.grad.clone()

    handle = register_optimizer_step_pre_hook(note)
    try:
        update()
    finally:
        handle.remove()
    return found


def check(what: str, algorithm: MultiAgentAlgorithm, plain: PlainPPO, given: Data) -> dict[str, float]:
    """Stop unless both give the same first gradients; how far the weights are apart after the iteration."""
    mine = first_gradients(lambda: ours(algorithm, given))
    theirs = first_gradients(lambda: plain.update(given))
    pairs = [(actor.network, plain.actors[name]) for name, actor in algorithm.actors().items()]
    pairs.append((algorithm.learner.critic(), plain.critic))
    worst = moved = 0.0
    for one, other in pairs:
        for (name, a), (_, b) in zip(one.named_parameters(), other.named_parameters(), strict=True):
            if (id(a) in mine) != (id(b) in theirs):
                raise SystemExit(f"{what}: only one side has a gradient for {name}")
            moved = max(moved, float((a - b).detach().abs().max()))
            if id(a) in mine:
                check_equal(f"{what}, gradient of {name}", mine[id(a)], theirs[id(b)])
                worst = max(worst, float((mine[id(a)] - theirs[id(b)]).abs().max()))
    norm = float(torch.stack([g.norm() for g in mine.values()]).norm())
    return {"gradient_norm": norm, "gradient_distance": worst, "weight_distance": moved}


def measure(rounds: int) -> list[dict[str, Any]]:
    """Check and time every case, and print the table."""
    lines, results = [], []
    for case, (name, settings) in CASES.items():
        scenario = load_scenario(name, ["training.iterations=1", *settings])
        algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario))
        plain = PlainPPO(algorithm)
        agreed = check(case, algorithm, plain, data(algorithm, 0))

        def draw(number: int, algorithm: Any = algorithm, plain: Any = plain) -> Data:
            plain.follow(algorithm)
            return data(algorithm, number + 1)

        times = interleave({"ours": partial(ours, algorithm), "plain": plain.update}, draw, rounds)
        found: Ratio = ratio(times, "ours", "plain")
        algorithm.stop()
        lines.append(
            [case, f"{agreed['gradient_distance']:.0e} of {agreed['gradient_norm']:.2g}", f"{found} (<= {MOST})"]
        )
        results.append({"case": case, "agreement": agreed, "ratio": found, "bar": MOST, "cpu_seconds": times})
    header = ["one iteration after sampling", "gradients differ by", "CPU time, ours over plain torch"]
    table("(a) against a plain-torch PPO loop", header, lines)
    return results
