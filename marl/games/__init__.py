"""Games: normal form, trees, empirical games, solution concepts, regret, welfare, response graphs, words about them.

Needs numpy, scipy and networkx only. `solve` answers everything about one game, `read_game` and `write_game` know the
file formats, and each concept has a function of its own; `marl.games.extensive` has those of trees. `summarize` is
`marl.games.summary.analyze`, under a name that leaves `analyze` to the analysis of a run.
"""

from __future__ import annotations

from marl.games.arm_comparison import compare_arms
from marl.games.cheap_talk import CheapTalk, signaling_game
from marl.games.components import equilibrium_components
from marl.games.correlated import CorrelatedEquilibrium, correlated_equilibrium
from marl.games.dominance import dominated_strategies, iterated_elimination, rationalizable
from marl.games.empirical import EmpiricalGame
from marl.games.enumeration import extreme_equilibria
from marl.games.equilibrium import Equilibrium, EquilibriumSet
from marl.games.evolutionary_stability import evolutionarily_stable
from marl.games.extensive import ExtensiveGame, reduced_normal_form, subgame_perfect, zero_sum_equilibrium
from marl.games.files import read_game, write_game
from marl.games.from_env import EnumeratedEnv, enumerate_env
from marl.games.lemke_howson import lemke_howson, one_equilibrium
from marl.games.meta_game import meta_game
from marl.games.mixed import mixed_equilibria, search_equilibria
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria
from marl.games.regret import PlayerRegret, ProfileRegret, profile_regret
from marl.games.response_graph import response_graph, response_sinks
from marl.games.selection import payoff_dominant, risk_comparisons
from marl.games.solution import solve
from marl.games.summary import analyze
from marl.games.talk_equilibria import TalkEquilibrium, solve_cheap_talk, talk_equilibrium
from marl.games.welfare import pareto_set, price_of_anarchy, price_of_stability, social_optimum
from marl.games.zero_sum import MatrixGame, security_level, zero_sum_value

summarize = analyze

__all__ = [
    "CheapTalk",
    "CorrelatedEquilibrium",
    "EmpiricalGame",
    "EnumeratedEnv",
    "Equilibrium",
    "EquilibriumSet",
    "ExtensiveGame",
    "MatrixGame",
    "NormalFormGame",
    "PlayerRegret",
    "ProfileRegret",
    "TalkEquilibrium",
    "analyze",
    "compare_arms",
    "correlated_equilibrium",
    "dominated_strategies",
    "enumerate_env",
    "equilibrium_components",
    "evolutionarily_stable",
    "extreme_equilibria",
    "iterated_elimination",
    "lemke_howson",
    "meta_game",
    "mixed_equilibria",
    "one_equilibrium",
    "pareto_set",
    "payoff_dominant",
    "price_of_anarchy",
    "price_of_stability",
    "profile_regret",
    "pure_equilibria",
    "rationalizable",
    "read_game",
    "reduced_normal_form",
    "response_graph",
    "response_sinks",
    "risk_comparisons",
    "search_equilibria",
    "security_level",
    "signaling_game",
    "social_optimum",
    "solve",
    "solve_cheap_talk",
    "subgame_perfect",
    "summarize",
    "talk_equilibrium",
    "write_game",
    "zero_sum_equilibrium",
    "zero_sum_value",
]
