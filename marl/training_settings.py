"""How policies are trained: the `training` section of a scenario."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from marl.strict import Settings


def _steady(value: Any) -> Any:
    """A number alone as the one at both ends."""
    return (value, value) if isinstance(value, int | float | str) else value


Share = Annotated[float, Field(ge=0, le=1)]
Price = Annotated[float, Field(ge=0)]
Schedule = Annotated[tuple[Price, Price], BeforeValidator(_steady)]
"""From the first to the last iteration; see `marl.learning.objectives.scheduled`."""


class CriticSettings(Settings):
    """The critic; it exists in training only. `value_clip` is in standard deviations of the targets.

    `network` reads the env's `state()` and the messages as numbers. `text` is for mappo: a language model reads
    `describe_state()`, the messages and whose turn it is, and a value head reads its hidden state.
    """

    kind: Literal["network", "text"] = "network"
    model: str | None = Field(default=None, description="text: who reads; that of the first language model that learns")
    trunk: Literal["frozen", "trained"] = Field(default="frozen", description="text: whether the model learns too")
    trunk_lr: float = Field(default=1e-4, gt=0)
    width: int = Field(default=64, ge=1)
    lr: float = Field(default=3e-3, gt=0)
    epochs: int = Field(default=8, ge=1)
    heads: Literal["agent", "shared"] = Field(default="agent", description="an output for each agent, or one for all")
    popart: bool = Field(default=True, description="targets are learned in units of their running mean and spread")
    value_clip: float | None = Field(default=None, gt=0)


class MirrorDescentSettings(Settings):
    """Magnetic mirror descent: how strongly play is drawn to uniform, and how far one iteration may move it."""

    temperature: float = Field(default=0.05, ge=0)
    step_size: float = Field(default=0.1, gt=0)


class ReferenceSettings(Settings):
    """What leaving the reference policy costs: `coefficient` a nat and turn. With `target` it is adapted, so that the
    divergence comes to so many nats a turn. The reference is the base of a policy with lora.
    """

    coefficient: float = Field(default=0.1, ge=0)
    target: float | None = Field(default=None, gt=0)


AlgorithmName = Literal["reinforce", "ippo", "mappo", "coma", "magrpo", "selfplay_ppo", "dqn", "vdn", "qmix"]


VALUE_BASED: tuple[AlgorithmName, ...] = ("dqn", "vdn", "qmix")
"""The algorithms whose policies take the option of the largest Q value."""


class QSettings(Settings):
    """How `dqn`, `vdn` and `qmix` explore and learn.

    After each iteration's play the newest `buffer` transitions are kept, and `updates` steps are made, each on `batch`
    of them. Every `target_every` steps the target network moves by `tau` of the way towards the network: 1 copies it.
    With `steps` above 1 a reward reaches further back at once, at the price that what was tried in between counts as if
    it were meant (Hessel et al., "Rainbow", 2018, take 3).
    `epsilon` goes linearly from the first to the second number over the `anneal` first part of the run.
    """

    buffer: int = Field(default=20000, ge=1)
    batch: int = Field(default=64, ge=1)
    updates: int = Field(default=32, ge=1)
    target_every: int = Field(default=50, ge=1)
    tau: float = Field(default=1.0, gt=0, le=1)
    huber: float = Field(
        default=1.0, gt=0, allow_inf_nan=True, description="errors beyond it count linearly; .inf squares them all"
    )
    overestimate: float = Field(
        default=1.0, gt=0, le=1, description="weight of what turned out worse than thought; below 1: optimistic"
    )
    steps: int = Field(default=1, ge=1, description="rewards of so many moments are summed before a target's own value")
    double: bool = Field(default=True, description="the network chooses the option that the target network values")
    explore: Literal["epsilon", "ucb"] = "epsilon"
    epsilon: Annotated[tuple[Share, Share], BeforeValidator(_steady)] = (1.0, 0.05)
    anneal: float = Field(default=0.5, gt=0, le=1)
    ucb: float = Field(default=1.0, ge=0, description="what an option seldom tried is given, in units of the return")
    mixer_width: int = Field(default=32, ge=1, description="qmix: hidden units of the mixing network")


class PlateauSettings(Settings):
    """`metric` has not become better by more than `min_delta` in its last `patience` values."""

    metric: str = "evaluation/normal"
    mode: Literal["max", "min"] = "max"
    patience: int = Field(default=5, ge=1)
    min_delta: float = Field(default=0.0, ge=0, allow_inf_nan=False)


class StopSettings(Settings):
    """What ends training before `iterations`; the first rule that holds does.

    `return_at_least` reads the periodic evaluation (mean payoff per agent), `time_s` the seconds of training.
    """

    return_at_least: float | None = Field(default=None, allow_inf_nan=False)
    env_steps: int | None = Field(default=None, ge=1)
    time_s: float | None = Field(default=None, gt=0)
    plateau: PlateauSettings | None = None


class TrainingSettings(Settings):
    """How the learning policies are trained; `marl.learning.presets` says what each algorithm is made of.

    `reinforce` and `coma` make one step an iteration, so that `epochs` and `minibatches` are not for them. What is paid
    for entropy and signaling goes linearly from the first to the second number over the run; one number alone stays.
    """

    algorithm: AlgorithmName = "mappo"
    iterations: int = Field(default=40, ge=1)
    stop: StopSettings = StopSettings()
    episodes: int = Field(default=64, ge=1, description="episodes per iteration")
    epochs: int = Field(default=3, ge=1)
    minibatches: int = Field(default=2, ge=1)
    lr: float = Field(default=3e-4, gt=0)
    anneal_lr: bool = Field(default=False, description="lr falls linearly to 0 over the iterations")
    tokens_a_batch: int = Field(default=16384, ge=1, description="read at a time; a minibatch's gradient is their sum")
    gradient_checkpointing: bool = Field(default=False, description="less memory, more time")
    gamma: float = Field(default=1.0, ge=0, le=1)
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    clip: float = Field(default=0.2, gt=0, allow_inf_nan=True, description="of PPO's ratios; .inf: none")
    credit: Literal["token", "turn"] = Field(default="token", description="what has a ratio of its own in PPO")
    group: int = Field(default=4, ge=2, description="magrpo: episodes that share the env's seed and are compared")
    role_decay: float = Field(default=0.95, ge=0, lt=1, description="selfplay_ppo: memory of each role's mean return")
    mirror_descent: MirrorDescentSettings = MirrorDescentSettings()
    q: QSettings = QSettings()
    reference: ReferenceSettings | None = None
    action_entropy: Schedule = (0.05, 0.0)
    message_entropy: Schedule = (0.0, 0.0)
    signaling: Schedule = Field(
        default=(0.0, 0.0), description="pays a nat of what messages tell about what their speaker knows"
    )
    grad_clip: float = Field(default=1.0, gt=0, allow_inf_nan=True, description="of the gradient's norm; .inf: none")
    critic: CriticSettings = CriticSettings()
    evaluate_every: int = Field(default=5, ge=1)
    evaluation_episodes: int = Field(default=64, ge=1)
    checkpoint_every: int = Field(default=10, ge=1)
    checkpoints_kept: int = Field(
        default=3, ge=1, description="the newest ones; the best by evaluation stays beside them"
    )
    loggers: list[Literal["wandb", "mlflow"]] = Field(default=[], description="where metrics go too, besides the run")
    env_runners: int = Field(default=0, ge=0)
    learners: int = Field(default=0, ge=0, description="processes that split an iteration's passes; 0: this one")
    silent_twin: bool = Field(default=True, description="`marl run` also trains the same policies with the channel off")

    @property
    def value_based(self) -> bool:
        """Whether the learning policies take the option of the largest Q value."""
        return self.algorithm in VALUE_BASED

    @model_validator(mode="after")
    def _fits_the_algorithm(self) -> TrainingSettings:
        if self.critic.kind == "text" and self.algorithm != "mappo":
            raise ValueError(f"critic.kind: text is for mappo, whose critic reads the state; given: {self.algorithm}")
        if self.algorithm == "magrpo" and self.episodes % self.group:
            raise ValueError(f"magrpo needs whole groups: episodes {self.episodes} is no multiple of {self.group}")
        return self
