"""Games as CSV: a row per profile, first a column per player with its strategy, then one per player with its payoff.

The header names the players twice: `row,column,payoff row,payoff column`. Numbers are read exactly ("9/4", "0.25").
"""

from __future__ import annotations

import csv
import io
import itertools
import math
from fractions import Fraction

import numpy as np

from marl.errors import SolverError
from marl.games.normal_form import MAX_PROFILES, NormalFormGame, exact_number

PAYOFF = "payoff "


def parse_csv(text: str, source: str = "the text") -> NormalFormGame:
    """The game in CSV text; strategies in the order in which they first appear. SolverError names the line."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise SolverError(f"{source}, line {reader.line_num}: no CSV ({error})") from error
    if len(lines) < 2:
        raise SolverError(f"{source}: expected a header and a row for each profile, found {len(lines)} rows")
    header = [name.strip() for name in lines[0][1]]
    players = header[: len(header) // 2]
    if header != players + [PAYOFF + name for name in players]:
        raise SolverError(
            f"{source}, line {lines[0][0]}: expected a column for each player and then one 'payoff NAME' for each, in "
            f"the same order; found {header}"
        )
    if len(set(players)) < len(players):
        raise SolverError(f"{source}, line {lines[0][0]}: expected a name of its own for each player; found {players}")
    strategies: list[dict[str, int]] = [{} for _ in players]
    rows: dict[tuple[int, ...], list[Fraction]] = {}
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise SolverError(f"{source}, line {number}: expected {len(header)} fields, found {len(row)}")
        cells = [cell.strip() for cell in row]
        own = zip(strategies, cells, strict=False)
        profile = tuple(known.setdefault(name, len(known)) for known, name in own)
        if profile in rows:
            raise SolverError(f"{source}, line {number}: the profile {cells[: len(players)]} appears twice")
        try:
            rows[profile] = [exact_number(cell) for cell in cells[len(players) :]]
        except ValueError:
            raise SolverError(f"{source}, line {number}: expected numbers, found {cells[len(players) :]}") from None
        except SolverError as error:
            raise SolverError(f"{source}, line {number}: {error}") from error
    shape = tuple(len(known) for known in strategies)
    if math.prod(shape) > MAX_PROFILES:
        raise SolverError(f"{source}: {math.prod(shape)} profiles are too many; at most {MAX_PROFILES} are allowed")
    table = np.empty((math.prod(shape), len(players)), dtype=object)
    for k, profile in enumerate(itertools.product(*map(range, shape))):
        if profile not in rows:
            named = [list(known)[s] for known, s in zip(strategies, profile, strict=True)]
            raise SolverError(f"{source}: no row for the profile {named}; give one for each of {math.prod(shape)}")
        table[k] = rows[profile]
    return NormalFormGame(table.T.reshape(len(players), *shape), players, [list(known) for known in strategies])


def format_csv(game: NormalFormGame) -> str:
    """The game as CSV text, profiles in lexicographic order."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*game.players, *(PAYOFF + name for name in game.players)])
    for profile in np.ndindex(game.shape):
        named = [own[s] for own, s in zip(game.strategies, profile, strict=True)]
        writer.writerow([*named, *(str(tensor[profile]) for tensor in game.payoffs)])
    return out.getvalue()
