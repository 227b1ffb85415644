"""What a causal network has understood of a whole text: its hidden state at the text's last token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from marl.errors import ModelError
from marl.models.forward import Reader, Reading
from marl.models.records import Ids


def last_states(reader: Reader, prompts: Sequence[Ids]) -> Tensor:
    """Hidden states [T, H], in float32 at least, after the last token of each of T prompts; the base alone reads them.

    What prompts have in common is read once, and no place depends on a prompt's padding. Raises ModelError for a
    network whose hidden states cannot be told from its logits.
    """
    if not reader.split:
        raise ModelError(
            f"{type(reader.network).__name__} gives no hidden states that its output embedding makes the logits of; "
            "take another model to read with"
        )
    readings = [Reading(ids, len(ids) - 1) for ids in prompts]
    forest = reader.plan(readings)
    found: list[Tensor] = []
    owners: list[int] = []
    for layout, states, _ in reader.passes(readings, forest):
        row_of = {int(number): row for row, number in enumerate(layout.numbers)}
        mine = [index for index, tree in enumerate(forest.tree_of) if int(tree) in row_of]
        rows = np.array([row_of[int(forest.tree_of[index])] for index in mine])
        ends = [layout.columns[row][forest.places[index][-1]] for row, index in zip(rows, mine, strict=True)]
        found.append(states[torch.from_numpy(layout.states_of(rows, np.array(ends))).to(states.device)])
        owners += mine
    joined = torch.cat(found)[torch.as_tensor(np.argsort(owners), device=found[0].device)]
    return joined.float() if joined.dtype in (torch.float16, torch.bfloat16) else joined
