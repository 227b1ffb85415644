"""Games: normal form, empirical games, equilibria, regret, welfare, the best-response graph and a summary in words.

Needs numpy, scipy and networkx only. `summarize` is `marl.games.summary.analyze`, under a name that leaves `analyze` to
the analysis of a run.
"""

from __future__ import annotations

from marl.games.empirical import EmpiricalGame
from marl.games.enumeration import extreme_equilibria
from marl.games.equilibrium import Equilibrium, EquilibriumSet
from marl.games.mixed import mixed_equilibria, search_equilibria
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria
from marl.games.regret import PlayerRegret, ProfileRegret, profile_regret
from marl.games.response_graph import response_graph, sink_components
from marl.games.summary import analyze
from marl.games.welfare import pareto_set, price_of_anarchy, price_of_stability, social_optimum

summarize = analyze

__all__ = [
    "EmpiricalGame",
    "Equilibrium",
    "EquilibriumSet",
    "NormalFormGame",
    "PlayerRegret",
    "ProfileRegret",
    "analyze",
    "extreme_equilibria",
    "mixed_equilibria",
    "pareto_set",
    "price_of_anarchy",
    "price_of_stability",
    "profile_regret",
    "pure_equilibria",
    "response_graph",
    "search_equilibria",
    "sink_components",
    "social_optimum",
    "summarize",
]
