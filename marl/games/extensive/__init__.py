"""Games in extensive form: trees with chance, information sets and behavior strategies."""

from __future__ import annotations

from marl.games.extensive.behavior import (
    BestResponse,
    behavior_strategy,
    best_response,
    expected_payoffs,
    exploitability,
    nash_conv,
    realization_plan,
    regrets,
    uniform_profile,
)
from marl.games.extensive.game import ExtensiveGame, InformationSet
from marl.games.extensive.nodes import Chance, Decision, Node, Terminal
from marl.games.extensive.reduced_form import reduced_normal_form, reduced_strategies, strategy_counts
from marl.games.extensive.subgame_perfect import SubgamePerfect, subgame_perfect
from marl.games.extensive.zero_sum_tree import BehaviorEquilibrium, zero_sum_equilibrium

__all__ = [
    "BehaviorEquilibrium",
    "BestResponse",
    "Chance",
    "Decision",
    "ExtensiveGame",
    "InformationSet",
    "Node",
    "SubgamePerfect",
    "Terminal",
    "behavior_strategy",
    "best_response",
    "expected_payoffs",
    "exploitability",
    "nash_conv",
    "realization_plan",
    "reduced_normal_form",
    "reduced_strategies",
    "regrets",
    "strategy_counts",
    "subgame_perfect",
    "uniform_profile",
    "zero_sum_equilibrium",
]
