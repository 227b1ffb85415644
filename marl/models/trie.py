"""The token trie of a list of options: where they part, and which way each of them goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from marl.errors import ModelError
from marl.models.records import Ids


@dataclass(frozen=True, eq=False)
class OptionTrie:
    """The B nodes of the trie at which O options part; nodes with one child have nothing to decide and are left out.

    `paths`: for each branching node the tokens that lead to it from the prompt's end. `children`: [B, C] token ids,
    `child_mask`: [B, C] True where there is a child. `route_branch`, `route_child`, `route_mask`: [O, D], the
    branching nodes that each option passes and the child that it takes there, D at most.
    """

    size: int
    paths: tuple[Ids, ...]
    children: np.ndarray
    child_mask: np.ndarray
    route_branch: np.ndarray
    route_child: np.ndarray
    route_mask: np.ndarray


def check_options(options: Sequence[Ids]) -> None:
    """Raise ModelError for an empty list, an option without tokens, and options with the same tokens."""
    if not options:
        raise ModelError("choose was given an empty option list; give at least one legal text")
    for index, option in enumerate(options):
        if not option:
            raise ModelError(f"option {index} of {len(options)} has no tokens; every option must be a non-empty text")
    if len(set(options)) != len(options):
        twice = next(option for index, option in enumerate(options) if option in options[:index])
        raise ModelError(
            f"the options hold token ids {list(twice)} twice among {len(options)}; legal texts must differ "
            "after tokenization"
        )


@lru_cache(maxsize=4096)
def option_trie(options: tuple[Ids, ...], stop_id: int) -> OptionTrie:
    """The trie of `options`; one that is a prefix of another ends in an explicit `stop_id` child.

    Raises ModelError for an empty list, an option without tokens, and options with the same tokens.
    """
    check_options(options)
    children: dict[Ids, dict[int, int]] = {}
    interior = {option[:depth] for option in options for depth in range(len(option))}
    ended = [(*option, stop_id) if option in interior else option for option in options]
    if len(set(ended)) != len(ended):
        raise ModelError(
            f"an option ends in the stop token {stop_id} and another is the same text without it; "
            "leave the stop token out of option texts"
        )
    for option in ended:
        for depth, token in enumerate(option):
            nexts = children.setdefault(option[:depth], {})
            nexts.setdefault(token, len(nexts))
    paths = tuple(path for path, nexts in children.items() if len(nexts) > 1)
    number = {path: index for index, path in enumerate(paths)}
    routes = [
        [(number[option[:d]], children[option[:d]][token]) for d, token in enumerate(option) if option[:d] in number]
        for option in ended
    ]
    return _pack(paths, [list(children[path]) for path in paths], routes)


def _pack(paths: tuple[Ids, ...], tokens: list[list[int]], routes: list[list[tuple[int, int]]]) -> OptionTrie:
    width = max((len(row) for row in tokens), default=0)
    depth = max(map(len, routes))
    children = np.zeros((len(paths), width), dtype=np.int64)
    child_mask = np.zeros((len(paths), width), dtype=bool)
    for index, row in enumerate(tokens):
        children[index, : len(row)] = row
        child_mask[index, : len(row)] = True
    route = np.zeros((2, len(routes), depth), dtype=np.int64)
    route_mask = np.zeros((len(routes), depth), dtype=bool)
    for index, steps in enumerate(routes):
        route_mask[index, : len(steps)] = True
        for step, place in enumerate(steps):
            route[:, index, step] = place
    return OptionTrie(len(routes), paths, children, child_mask, route[0], route[1], route_mask)
