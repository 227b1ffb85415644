"""The settings of a scenario: what each key of its YAML file may hold, as validated classes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from marl.api_settings import APISettings

Kind = Literal["cooperative", "competitive", "mixed"]


class Settings(BaseModel):
    """Refuses unknown keys, and never changes after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EnvSettings(Settings):
    """`entry` is "module:attribute" of anything that returns a PettingZoo env when called with `kwargs`."""

    entry: str = Field(pattern=r"^[\w.]+:[\w.]+$")
    kwargs: dict[str, Any] = {}
    text: str | None = Field(default=None, pattern=r"^[\w.]+:[\w.]+$")
    arrays: str | None = Field(default=None, pattern=r"^[\w.]+:[\w.]+$", description="the same game, many at once")


class EdgeList(Settings):
    """A topology as directed edges: [[speaker, hearer], ...]."""

    edges: list[tuple[str, str]]


class ChannelSettings(Settings):
    """Who hears whom, how often they talk before a decision, and how much one message may hold.

    `vocabulary` limits messages to the listed texts; without it a message is free text of at most `budget` tokens.
    """

    topology: Literal["broadcast", "none"] | EdgeList = "broadcast"
    talk_rounds: int = Field(default=1, ge=0, le=16)
    budget: int = Field(default=8, ge=1, le=512)
    vocabulary: list[str] | None = Field(default=None, min_length=1)
    intervention: Literal["none", "off", "scrambled"] = "none"

    @model_validator(mode="after")
    def _vocabulary_is_a_set(self) -> ChannelSettings:
        words = self.vocabulary or []
        if len(set(words)) != len(words) or any(not word.strip() for word in words):
            raise ValueError("vocabulary must hold different, non-empty texts")
        return self


class LoRASettings(Settings):
    """Training changes a low-rank adapter on every linear layer; the model itself stays, shared by all that name it."""

    rank: int = Field(default=8, ge=1)
    alpha: int = Field(default=16, ge=1, description="the adapter counts with alpha / rank")


class ConstraintSettings(Settings):
    """What free talk may consist of: `texts` for the kinds vocabulary and words, `pattern` for regex and grammar."""

    kind: Literal["vocabulary", "words", "regex", "grammar"]
    texts: tuple[str, ...] = ()
    pattern: str = ""

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> ConstraintSettings:
        needed = "texts" if self.kind in {"vocabulary", "words"} else "pattern"
        if [name for name in ("texts", "pattern") if getattr(self, name)] != [needed]:
            raise ValueError(f"kind {self.kind} needs `{needed}`, and nothing but that")
        return self


class LanguageModelSettings(Settings):
    """A causal LM: "nano" (in the package), "scratch" (the same network, untrained), a folder or a hub name.

    With `lora` an adapter is trained, else the whole network. `top_k`, `top_p` and `constraint` are for free talk.
    """

    kind: Literal["language_model"] = "language_model"
    model: str = "nano"
    learn: bool = True
    lora: LoRASettings | None = None
    temperature: float = Field(default=1.0, gt=0)
    scoring: Literal["step", "sum", "token", "word"] = "step"
    top_k: int | None = Field(default=None, ge=1)
    top_p: float | None = Field(default=None, gt=0, le=1)
    constraint: ConstraintSettings | None = None
    precision: Literal["float32", "bfloat16", "float16"] = "float32"

    @model_validator(mode="after")
    def _can_be_trained(self) -> LanguageModelSettings:
        if self.learn and (self.top_k is not None or self.top_p is not None):
            raise ValueError(
                "top_k and top_p need learn: false, since training cannot give the log-probability of the truncated "
                "distribution again; lower the temperature instead, or leave them out"
            )
        if self.lora is not None and not self.learn:
            raise ValueError(
                "lora needs learn: true, an adapter that is not trained changes nothing; leave lora out (an adapter "
                "that was trained before is a folder: name it as the model)"
            )
        if self.lora is not None and self.model == "scratch":
            raise ValueError(
                "lora trains an adapter over weights that stay, and scratch's are random: there is nothing to build "
                "on; leave lora out, or take another model"
            )
        return self


class NetworkSettings(Settings):
    """A small network over the observation's numbers and the words of the channel's vocabulary; it reads no text.

    With `recurrent` it remembers what it has read in the episode, in a layer as wide as the last hidden one.
    """

    kind: Literal["network"]
    hidden: list[Annotated[int, Field(ge=1)]] = Field(default=[64, 64], min_length=1, description="width of each layer")
    activation: Literal["relu", "tanh"] = "relu"
    recurrent: Literal["gru"] | None = None
    learn: bool = True


class ScriptedSettings(Settings):
    """`entry` is "module:attribute" of a function View -> text; `kwargs` are bound to it."""

    kind: Literal["scripted"]
    entry: str = Field(pattern=r"^[\w.]+:[\w.]+$")
    kwargs: dict[str, Any] = {}


class HumanSettings(Settings):
    """A person at the keyboard."""

    kind: Literal["human"]


class LeagueSettings(Settings):
    """Past checkpoints of the learning policy `of`, one of them for each episode; they are frozen.

    Those of the newest `size` that were taken, the first before training, then one `every` so many iterations.
    `uniform` draws any, `latest` takes the newest, `prioritized` draws those most that the learner loses against.
    """

    kind: Literal["league"]
    of: str
    every: int = Field(default=5, ge=1)
    size: int = Field(default=8, ge=1)
    sampling: Literal["uniform", "prioritized", "latest"] = "uniform"


PolicySettings = Annotated[
    LanguageModelSettings | NetworkSettings | ScriptedSettings | HumanSettings | APISettings | LeagueSettings,
    Field(discriminator="kind"),
]


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
    `epsilon` goes linearly from the first to the second number over the `anneal` first part of the run.
    """

    buffer: int = Field(default=20000, ge=1)
    batch: int = Field(default=64, ge=1)
    updates: int = Field(default=32, ge=1)
    target_every: int = Field(default=50, ge=1)
    tau: float = Field(default=1.0, gt=0, le=1)
    huber: float = Field(default=1.0, gt=0, description="errors beyond it count linearly; a large one squares them all")
    double: bool = Field(default=True, description="the network chooses the option that the target network values")
    explore: Literal["epsilon", "ucb"] = "epsilon"
    epsilon: tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]] = (1.0, 0.05)
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
    for entropy and signaling goes linearly from the first to the second number over the run.
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
    clip: float = Field(default=0.2, gt=0)
    credit: Literal["token", "turn"] = Field(default="token", description="what has a ratio of its own in PPO")
    group: int = Field(default=4, ge=2, description="magrpo: episodes that share the env's seed and are compared")
    role_decay: float = Field(default=0.95, ge=0, lt=1, description="selfplay_ppo: memory of each role's mean return")
    mirror_descent: MirrorDescentSettings = MirrorDescentSettings()
    q: QSettings = QSettings()
    reference: ReferenceSettings | None = None
    action_entropy: tuple[float, float] = (0.05, 0.0)
    message_entropy: tuple[float, float] = (0.0, 0.0)
    signaling: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = Field(
        default=(0.0, 0.0), description="pays a nat of what messages tell about what their speaker knows"
    )
    grad_clip: float = Field(default=1.0, gt=0)
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


class EvaluationSettings(Settings):
    """Each arm is played on the same `episodes` seeds; intervals hold at `confidence`.

    `env_kwargs` are put over the env's own here and in training's periodic evaluation: situations that were held out.
    """

    episodes: int = Field(default=256, ge=2)
    env_kwargs: dict[str, Any] = {}
    greedy: bool = Field(default=False, description="who learns takes the likeliest option instead of drawing one")
    arms: list[Literal["normal", "off", "scrambled"]] = ["normal", "off", "scrambled"]
    confidence: float = Field(default=0.95, gt=0, lt=1)
    exact: str | None = Field(
        default=None, pattern=r"^[\w.]+:[\w.]+$", description="measures policies exactly; see marl.learning.exact"
    )


class AnalysisSettings(Settings):
    """The tournament: each seat plays its trained policy, the untrained copy and these scripted `strategies`."""

    episodes: int = Field(default=64, ge=2, description="episodes per profile")
    strategies: dict[str, ScriptedSettings] = {}


class Scenario(Settings):
    """Everything that `marl run` needs. `seats` names each agent's policy; one name is one set of weights."""

    name: str = Field(pattern=r"^[\w-]+$")
    title: str
    kind: Kind
    seed: int = Field(default=0, ge=0)
    env: EnvSettings
    channel: ChannelSettings = ChannelSettings()
    seats: dict[str, str]
    policies: dict[str, PolicySettings]
    on_parse_failure: Literal["retry", "forfeit", "default"] = "default"
    training: TrainingSettings = TrainingSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    analysis: AnalysisSettings = AnalysisSettings()

    @model_validator(mode="after")
    def _seats_are_filled(self) -> Scenario:
        unknown = sorted(set(self.seats.values()) - set(self.policies))
        if unknown:
            raise ValueError(f"seats name policies {unknown} that `policies` lacks; it has {sorted(self.policies)}")
        return self

    @model_validator(mode="after")
    def _values_can_be_listed(self) -> Scenario:
        channel = self.channel
        if not self.training.value_based or channel.vocabulary is not None or not channel.talk_rounds:
            return self
        edges = [] if isinstance(channel.topology, str) else channel.topology.edges
        speakers = set(self.seats) if channel.topology == "broadcast" else {speaker for speaker, _ in edges}
        learning = {name for name, policy in self.policies.items() if getattr(policy, "learn", False)}
        free = sorted(speaker for speaker in speakers if self.seats.get(speaker) in learning)
        if free:
            raise ValueError(
                f"{self.training.algorithm} learns a value of each option, and {free} may say free text, which cannot "
                "be listed; give channel.vocabulary, or topology: none"
            )
        return self

    @model_validator(mode="after")
    def _values_are_of_one_moment(self) -> Scenario:
        remembering = [name for name, policy in self.policies.items() if getattr(policy, "recurrent", None)]
        if self.training.value_based and remembering:
            raise ValueError(
                f"{self.training.algorithm} learns from single transitions, and {remembering} are recurrent: leave "
                "`recurrent` out, or take one of reinforce, ippo, mappo, coma, magrpo, selfplay_ppo"
            )
        return self

    @model_validator(mode="after")
    def _leagues_have_a_learner(self) -> Scenario:
        seated = set(self.seats.values())
        learning = {name for name, policy in self.policies.items() if getattr(policy, "learn", False)} & seated
        for name, policy in self.policies.items():
            if isinstance(policy, LeagueSettings) and name in seated and policy.of not in learning:
                raise ValueError(
                    f"policies.{name}: a league needs a seated policy that learns; given: of: {policy.of!r}, "
                    f"those that learn on a seat here: {sorted(learning)}"
                )
        return self

    @model_validator(mode="after")
    def _adapters_fit_together(self) -> Scenario:
        ranks: dict[tuple[str, str], dict[int, str]] = {}
        for name, policy in self.policies.items():
            if isinstance(policy, LanguageModelSettings) and policy.lora is not None:
                ranks.setdefault((policy.model, policy.precision), {}).setdefault(policy.lora.rank, name)
        for (model, _), found in ranks.items():
            if len(found) > 1:
                given = ", ".join(f"{name} {rank}" for rank, name in found.items())
                raise ValueError(f"policies that share model {model!r} need one lora.rank; given: {given}")
        return self
