"""What `solve` says of game trees only, and the fields that a tree answers without its normal form."""

from __future__ import annotations

from typing import Any

from marl.games.extensive.behavior import regrets, uniform_profile
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Chance
from marl.games.extensive.reduced_form import normal_form_fits, strategy_names
from marl.games.extensive.subgame_perfect import subgame_perfect
from marl.games.normal_form import Number
from marl.games.solving import Concept, Solving, held, plain


def tree_fields(game: ExtensiveGame) -> dict[str, Any]:
    """The game's names and size; "strategies" only where the reduced normal form is small enough to be solved."""
    fits = normal_form_fits(game)
    return {
        "players": list(game.players),
        "strategies": [strategy_names(game, player) for player in range(len(game.players))] if fits else None,
        "exact": game.exact,
        "tree": {
            "nodes": len(game.nodes),
            "chance_nodes": sum(isinstance(node, Chance) for node in game.nodes),
            "ends": len(game.leaf_chance),
            "perfect_information": game.perfect_information,
            "information_sets": [
                [{"name": one.name, "actions": list(one.actions), "nodes": len(one.nodes)} for one in own]
                for own in game.information_sets
            ],
        },
    }


def uniform_regrets(game: ExtensiveGame) -> tuple[Number, ...]:
    """Each player's regret where all take every action of an information set with the same probability."""
    return regrets(game, uniform_profile(game))


def _sequence_form(solving: Solving) -> dict[str, Any]:
    found = solving.sequence_form
    return {
        "sequence_form": {
            "profile": [[[held(p) for p in row] for row in own] for own in found.profile],
            "payoffs": [held(payoff) for payoff in found.payoffs],
            "regret": held(found.regret),
            "exact": found.exact,
            "method": found.method,
        }
    }


def _subgame_perfect(solving: Solving) -> dict[str, Any]:
    found = subgame_perfect(solving.needed_tree)
    return {
        "subgame_perfect": {
            "actions": [list(own) for own in found.actions],
            "payoffs": [held(payoff) for payoff in found.payoffs],
            "unique": found.unique,
            "ties": [list(place) for place in found.ties],
            "method": found.method,
        }
    }


def security_of_tree(solving: Solving) -> dict[str, Any] | None:
    """What both players of a zero-sum tree can secure, from the tree alone; None for any other game."""
    if solving.tree is None or solving.tree.constant_sum is None:
        return None
    levels = [plain(payoff) for payoff in solving.sequence_form.payoffs]
    return {"security_levels": levels, "zero_sum_value": levels[0]}


TREE_CONCEPTS = {
    "sequence_form": Concept(("sequence_form",), _sequence_form, of_trees=True),
    "subgame_perfect": Concept(("subgame_perfect",), _subgame_perfect, of_trees=True),
}
"""The concepts of trees by name."""
