"""Metrics rows as TensorBoard scalars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from marl.store import writing


class Curves:
    """Writes rows under `folder`; TensorBoard hides events after `iteration` that a killed run left.

    Raises StoreError where it cannot.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        self._folder = folder
        with writing(folder):
            self._writer = SummaryWriter(str(folder), purge_step=iteration + 1 if iteration else None)

    def write(self, row: Mapping[str, Any]) -> None:
        """Add every number of the row at its iteration."""
        with writing(self._folder):
            for name, value in row.items():
                if name != "iteration" and isinstance(value, int | float):
                    self._writer.add_scalar(name, value, row["iteration"])

    def close(self) -> None:
        """Write out what is buffered."""
        with writing(self._folder):
            self._writer.close()
