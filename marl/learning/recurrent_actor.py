"""The actor over a network that remembers: an agent's turns of an episode are one sequence, read as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from marl.learning.features import Columns
from marl.learning.network_actor import SmallNetworkActor, distributed, network_rows
from marl.models import RowLogProbs
from marl.policies.recurrent import RecurrentPolicy


@dataclass(frozen=True)
class SequenceRows:
    """T decisions and the S histories they stand in: what was read, `inputs` [S, L, F] float32, zeros after a history's
    end; and for each decision its `sequence` and its `place` there [T] int64, and what `NetworkRows` has: `legal`
    [T, A] bool and `choice` [T] int64.

    Some of a history's decisions alone still have all of the history to be read.
    """

    inputs: Tensor
    sequence: Tensor
    place: Tensor
    legal: Tensor
    choice: Tensor

    def __len__(self) -> int:
        return len(self.choice)


class RecurrentActor(SmallNetworkActor[SequenceRows]):
    """Wraps a `RecurrentPolicy`; its parameters are the network's. model_config as for `NetworkActor`.

    It reads the whole sequences of the rows that it is asked for, from an empty memory on, which is what acting did: so
    the gradient goes through time to the first turn, and the first ratio is 1.
    """

    policy: RecurrentPolicy
    kind = RecurrentPolicy

    def rows(self, columns: Columns) -> SequenceRows:
        """The decisions of `marl.learning.batch.network_columns`; a sequence's are put in order by their turns' ids."""
        flat = network_rows(columns, self.policy.encoding.outputs)
        sequence, place = places(columns["episode"], columns["agent"], columns["turn"])
        inputs = flat.inputs.new_zeros(int(sequence.max()) + 1, int(place.max()) + 1, flat.inputs.shape[1])
        inputs[sequence, place] = flat.inputs
        return SequenceRows(inputs, sequence, place, flat.legal, flat.choice)

    def take(self, rows: SequenceRows, index: Tensor) -> SequenceRows:
        """The rows at `index`."""
        return replace(
            rows,
            sequence=rows.sequence[index],
            place=rows.place[index],
            legal=rows.legal[index],
            choice=rows.choice[index],
        )

    def join(self, parts: Sequence[SequenceRows]) -> SequenceRows:
        """One after another; sequences of different parts are different ones."""
        longest = max(part.inputs.shape[1] for part in parts)
        grids = [nn.functional.pad(part.inputs, (0, 0, 0, longest - part.inputs.shape[1])) for part in parts]
        firsts = np.cumsum([0, *(len(grid) for grid in grids)])[:-1].tolist()
        return SequenceRows(
            torch.cat(grids),
            torch.cat([part.sequence + first for part, first in zip(parts, firsts, strict=True)]),
            *(torch.cat([getattr(part, name) for part in parts]) for name in ("place", "legal", "choice")),
        )

    def minibatches(self, rows: SequenceRows, count: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Whole sequences, in parts of like numbers of them."""
        own = _members(rows)
        parts = np.array_split(rng.permutation(len(own)), count)
        return [np.concatenate([np.zeros(0, np.int64), *(own[number].numpy() for number in part)]) for part in parts]

    def pieces(self, rows: SequenceRows, tokens: int) -> list[Tensor]:
        """Whole sequences, about `tokens` rows of them at a time: a row is read as one token would be."""
        pieces: list[list[Tensor]] = []
        room = 0
        for own in _members(rows):
            if not pieces or room < len(own):
                pieces.append([])
                room = tokens
            pieces[-1].append(own)
            room -= len(own)
        return [torch.cat(piece) for piece in pieces]

    def read(self, rows: SequenceRows) -> RowLogProbs:
        """See `ActorModule.read`; K = 1, and the table's places are the network's outputs."""
        network = self.policy.network
        device = network.head.weight.device
        needed, at = rows.sequence.unique(return_inverse=True)
        inputs = rows.inputs[needed, : int(rows.place.max()) + 1].to(device)
        hidden = network.sequences(inputs)[at.to(device), rows.place.to(device)]
        legal, choice = rows.legal.to(device), rows.choice.to(device)
        return distributed(network.distribution(hidden, legal), legal, choice)


def places(episode: np.ndarray, agent: np.ndarray, turn: np.ndarray) -> tuple[Tensor, Tensor]:
    """For T turns in any order, [T] each: the number of the (episode, agent) that the turn is of, and how many turns of
    the same come before it, by their ids. int64, [T] each.
    """
    order = np.lexsort((turn, agent, episode))
    keys = np.stack([episode, agent], axis=1)[order]
    begins = np.append(True, (keys[1:] != keys[:-1]).any(axis=1))
    sequence, place = np.zeros(len(turn), np.int64), np.zeros(len(turn), np.int64)
    number = begins.cumsum() - 1
    sequence[order] = number
    place[order] = np.arange(len(turn)) - np.flatnonzero(begins)[number]
    return torch.from_numpy(sequence), torch.from_numpy(place)


def _members(rows: SequenceRows) -> list[Tensor]:
    """The numbers of the rows of each sequence, sequences in order."""
    order = rows.sequence.argsort(stable=True)
    counts = rows.sequence.unique(return_counts=True)[1]
    return list(order.split(counts.tolist()))
