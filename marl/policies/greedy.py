"""Policies that take the likeliest option."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from marl.policies.protocol import Policy
from marl.settings import Scenario


def as_evaluated(scenario: Scenario, policies: Mapping[str, Policy]) -> dict[str, Policy]:
    """With `evaluation.greedy`, copies of those that learn which take the likeliest option; they share the weights.

    The others, and without it all, are the same objects.
    """
    return {
        name: _greedy(policy) if scenario.evaluation.greedy and policy.trainable else policy
        for name, policy in policies.items()
    }


def _greedy(policy: Policy) -> Policy:
    other: Any = copy.copy(policy)
    other.greedy = True
    return other
