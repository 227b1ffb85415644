"""What decides for an agent: language-model, network, API, scripted and human policies behind one protocol."""

from __future__ import annotations

from marl.policies.api import APIPolicy, meters
from marl.policies.build import build_policies, scripted_policy
from marl.policies.greedy import as_evaluated
from marl.policies.human import HumanPolicy
from marl.policies.language_model import LanguageModelPolicy
from marl.policies.network import NetworkPolicy
from marl.policies.protocol import Policy, Remembers
from marl.policies.recurrent import RecurrentPolicy
from marl.policies.scripted import ScriptedPolicy

__all__ = [
    "APIPolicy",
    "HumanPolicy",
    "LanguageModelPolicy",
    "NetworkPolicy",
    "Policy",
    "RecurrentPolicy",
    "Remembers",
    "ScriptedPolicy",
    "as_evaluated",
    "build_policies",
    "meters",
    "scripted_policy",
]
