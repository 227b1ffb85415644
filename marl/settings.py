"""The settings of a scenario: what each key of its YAML file may hold, as validated classes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from marl.api_settings import APISettings
from marl.strict import Settings
from marl.training_settings import TrainingSettings

Kind = Literal["cooperative", "competitive", "mixed"]


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
    intervention: Literal["none", "off", "scrambled", "deaf"] = "none"

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


class MixtureSettings(Settings):
    """Trained policies out of `folders`, one of them for each episode, drawn with `probabilities`; they are frozen.

    `policy` says what they are, as the scenario that trained them does. What has one name in `of`, and the policy of
    that name, are one policy on several seats: its networks read on which of them they sit. Mixtures with the same word
    in `together` are drawn at once: all play the same place of their lists.
    """

    kind: Literal["mixture"]
    policy: Annotated[LanguageModelSettings | NetworkSettings, Field(discriminator="kind")]
    folders: list[str] = Field(min_length=1)
    probabilities: list[Annotated[float, Field(ge=0)]]
    of: str | None = None
    together: str | None = None
    values: bool = Field(default=False, description="trained by dqn, vdn or qmix: they take the largest Q value")

    @model_validator(mode="after")
    def _is_a_distribution(self) -> MixtureSettings:
        if len(self.probabilities) != len(self.folders) or abs(sum(self.probabilities) - 1) > 1e-6:
            raise ValueError(
                f"give one probability for each of the {len(self.folders)} folders, with the sum 1; given "
                f"{len(self.probabilities)} with the sum {sum(self.probabilities):g}"
            )
        return self


PolicySettings = Annotated[
    LanguageModelSettings
    | NetworkSettings
    | ScriptedSettings
    | HumanSettings
    | APISettings
    | LeagueSettings
    | MixtureSettings,
    Field(discriminator="kind"),
]


class EvaluationSettings(Settings):
    """Each arm is played on the same `episodes` seeds; intervals hold at `confidence`.

    `env_kwargs` are put over the env's own here and in training's periodic evaluation: situations that were held out.
    """

    episodes: int = Field(default=256, ge=2)
    env_kwargs: dict[str, Any] = {}
    greedy: bool = Field(default=False, description="who learns takes the likeliest option instead of drawing one")
    arms: list[Literal["normal", "off", "scrambled", "deaf"]] = ["normal", "off", "scrambled"]
    confidence: float = Field(default=0.95, gt=0, lt=1)
    exact: str | None = Field(
        default=None,
        pattern=r"^(tree|[\w.]+:[\w.]+)$",
        description="measures policies exactly: tree, or see marl.learning.exact",
    )


class AnalysisSettings(Settings):
    """The tournament: each seat plays its trained policy, the untrained copy and these scripted `strategies`."""

    episodes: int = Field(default=64, ge=2, description="episodes per profile")
    strategies: dict[str, ScriptedSettings] = {}


class PSROSettings(Settings):
    """How `marl psro` grows populations. It ends when no best response gains more than `epsilon`, with the confidence
    of `evaluation.confidence`, or after so many iterations.

    `training` trains best responses; what it leaves out is as in the scenario's own.
    """

    meta_solver: Literal["nash", "uniform", "alpha_rank", "correlated"] = "nash"
    iterations: int = Field(default=10, ge=1, description="best responses of each population")
    episodes: int = Field(default=256, ge=2, description="episodes per profile")
    epsilon: float = Field(default=0.05, gt=0)
    training: TrainingSettings | None = None


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
    psro: PSROSettings = PSROSettings()

    @model_validator(mode="before")
    @classmethod
    def _best_responses_are_trained_likewise(cls, data: Any) -> Any:
        psro = data.get("psro") if isinstance(data, dict) else None
        if not isinstance(psro, dict) or not isinstance(psro.get("training"), dict):
            return data
        return {**data, "psro": {**psro, "training": _over(data.get("training") or {}, psro["training"])}}

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
    def _a_team_has_a_payoff(self) -> Scenario:
        seats = [agent for agent, name in self.seats.items() if getattr(self.policies.get(name), "learn", False)]
        if self.kind == "competitive" and self.training.algorithm in ("vdn", "qmix") and len(seats) > 1:
            raise ValueError(
                f"{self.training.algorithm} learns what pays all that learn together, and {seats} play against each "
                "other (kind: competitive): take dqn or selfplay_ppo, or let one side learn alone"
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
    def _mixtures_fit_together(self) -> Scenario:
        drawn: dict[str, list[float]] = {}
        for name, policy in self.policies.items():
            given = policy.probabilities if isinstance(policy, MixtureSettings) else []
            together = getattr(policy, "together", None) or name
            if drawn.setdefault(together, given) != given:
                raise ValueError(f"policies.{name}: mixtures drawn together need the same probabilities")
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


def _over(below: Any, above: Any) -> Any:
    """`above`, filled up from `below` where both are mappings."""
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{key: _over(below.get(key), value) for key, value in above.items()}}
