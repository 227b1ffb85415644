"""A chat model behind a server as a policy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from marl.models.api import ChatModel, Question
from marl.models.api_answer import Fault, Reply
from marl.models.api_meter import Meter
from marl.policies.protocol import Policy
from marl.settings import APISettings
from marl.text import parse_reply
from marl.types import Decision, ParseFailure, View

LONGEST_TOKEN = 64
"""Characters of talk that the channel carries for each token of the budget, however long the server's tokens are."""


class APIPolicy:
    """Asks `settings.model` with each view's prompt; a batch of views is asked at the same time.

    Among options the reply must be one of them, up to case and white space. In free talk it is the message, as one
    line. A call that fails, an empty reply and talk over the budget are recorded as a `ParseFailure` that names what
    happened. Each request carries a seed that is drawn from the view's own stream. It cannot be trained.
    """

    trainable = False

    def __init__(self, name: str, settings: APISettings) -> None:
        self.name = name
        self.model = ChatModel(name, settings)

    @property
    def meter(self) -> Meter:
        """What the calls of this process came to; `meter.summary()` says it in words."""
        return self.model.meter

    def decide(self, views: Sequence[View]) -> list[Decision]:
        """One decision for each view; see `Policy.decide`.

        Raises ModelError where no further call can succeed: key or model refused, cost limit reached.
        """
        answers = self.model.ask([self._question(view) for view in views])
        return [self._decision(view, answer) for view, answer in zip(views, answers, strict=True)]

    def _question(self, view: View) -> Question:
        limit = self.model.settings.max_tokens if view.options else view.budget
        return Question(view.prompt, limit, int(view.rng.integers(2**31 - 1)))

    def _decision(self, view: View, answer: Reply | Fault) -> Decision:
        if isinstance(answer, Fault):
            return Decision("", failure=ParseFailure("", answer.reason, "call"))
        line = " ".join(answer.text.split())
        if not view.options:
            why = _too_long(line, self._length(answer), view.budget)
            return Decision(line, log_probs=answer.log_probs, failure=ParseFailure(answer.text, why) if why else None)
        choice = parse_reply(answer.text, view.options)
        # A choice has a single log-probability: that of the whole reply.
        log_probs = (sum(answer.log_probs),) if answer.log_probs else ()
        if isinstance(choice, ParseFailure):
            return Decision(line, log_probs=log_probs, failure=choice)
        return Decision(view.options[choice], choice, log_probs=log_probs)

    def _length(self, reply: Reply) -> int | None:
        """The message's tokens by the server's count; None where that is not given or may include its thinking."""
        if reply.usage is None or (self.model.settings.thinking_tokens and not reply.usage.hidden_tokens):
            return None
        return reply.usage.completion_tokens - reply.usage.hidden_tokens


def meters(policies: Iterable[Policy]) -> dict[str, Meter]:
    """The meters of the API policies among `policies`, by policy name."""
    return {policy.name: policy.meter for policy in policies if isinstance(policy, APIPolicy)}


def _too_long(line: str, tokens: int | None, budget: int) -> str:
    """What is wrong with talk that is over its budget; the request carried the limit, but a server may ignore it."""
    count, unit = (len(line.split()), "words") if tokens is None else (tokens, "tokens")
    if count > budget:
        return f"the message has {count} {unit}; the budget is {budget} tokens, and the server did not keep to it"
    if len(line) > LONGEST_TOKEN * budget:
        return f"the message has {len(line)} characters; at most {LONGEST_TOKEN} for each of {budget} tokens fit"
    return ""
