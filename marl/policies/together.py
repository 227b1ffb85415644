"""Many policies asked at once: those that read one language model in memory are one batch for it."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import TypeGuard

from marl.policies.language_model import LanguageModelPolicy, decide_with_one_model
from marl.policies.league import LeaguePolicy
from marl.policies.protocol import Policy, Remembers
from marl.types import Decision, View


def decide_together(policies: Sequence[Policy], views: Sequence[View]) -> list[Decision]:
    """One decision for each view by the policy beside it.

    Language-model policies over one model, each with its adapter, cost one call of `say` and one of `choose` together,
    and one more for each other temperature, scoring or way to draw among them. Any other policy is asked once.
    """
    groups: dict[Hashable, list[int]] = {}
    policies = [_playing(policy, view) for policy, view in zip(policies, views, strict=True)]
    for index, policy in enumerate(policies):
        groups.setdefault(("model", id(policy.model)) if _joins(policy) else id(policy), []).append(index)
    decisions: dict[int, Decision] = {}
    for members in groups.values():
        asked, mine = [policies[index] for index in members], [views[index] for index in members]
        models = [policy for policy in asked if _joins(policy)]
        answers = decide_with_one_model(models, mine) if models else asked[0].decide(mine)
        decisions.update(zip(members, answers, strict=True))
    return [decisions[index] for index in range(len(views))]


def forget(policies: Iterable[Policy], owners: Collection[tuple[int, str]]) -> None:
    """Let policies that remember, and models, drop what they keep for `owners`: (episode, agent), which are over."""
    asked = [
        member for policy in policies for member in (policy.members if isinstance(policy, LeaguePolicy) else [policy])
    ]
    models = {id(policy.model): policy.model for policy in asked if isinstance(policy, LanguageModelPolicy)}
    for model in models.values():
        model.release(owners)
    for policy in asked:
        if isinstance(policy, Remembers):
            policy.release(owners)


def _playing(policy: Policy, view: View) -> Policy:
    return policy.member(view.episode) if isinstance(policy, LeaguePolicy) else policy


def _joins(policy: Policy) -> TypeGuard[LanguageModelPolicy]:
    """Whether it decides as a language model policy does; a class of one's own may not."""
    return isinstance(policy, LanguageModelPolicy) and type(policy).decide is LanguageModelPolicy.decide
