"""The centralized critic that reads the joint state in words: a language model's hidden state under a value head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from marl.learning.actor import BASES
from marl.learning.critic import CriticModule
from marl.models import Ids
from marl.policies.bases import Bases
from marl.settings import LanguageModelSettings

KNOWN = 1 << 15
"""Texts whose hidden state under a frozen trunk is kept during an iteration."""


class TextCritic(CriticModule):
    """Reads `text` [T, B], UTF-8 bytes and zeros, to the hidden state after the last token, through one hidden layer.

    The trunk is the base alone: no actor's adapter is on. A frozen one is no part of the module, shares the memory of
    actors with LoRA over the same model, and reads each text once an iteration; a trained one is a copy of its own.

    model_config has also: model and precision (the trunk's), trained (whether it learns), trunk_lr, width, and while
    it is built `bases`, through which actors share models.
    """

    def build_trunk(self) -> int:
        """Load the language model and make the layer between it and the head."""
        config = self.model_config
        self.trained = bool(config["trained"])
        settings = LanguageModelSettings.model_validate(
            {
                "kind": "language_model",
                "model": config["model"],
                "precision": config["precision"],
                "learn": self.trained,
            }
        )
        bases = config.pop(BASES, None) or Bases()
        self.model = bases.get(settings, int(config["seed"]))
        if self.trained:
            self.network = self.model.network
        self._known: dict[bytes, Tensor] = {}
        width = int(config["width"])
        self.middle = nn.Sequential(nn.LayerNorm(self.model.width), nn.Linear(self.model.width, width), nn.ReLU())
        return width

    def train(self, mode: bool = True) -> TextCritic:
        """Keep the trunk in evaluation mode: dropout would make other values than those that advantages came from."""
        super().train(mode)
        if hasattr(self, "model"):
            self.model.network.eval()
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> TextCritic:
        """Move or cast; a frozen trunk goes along, although it is no part of this module."""
        super()._apply(fn, recurse)
        if not self.trained:
            self.model.network._apply(fn)
        self._known.clear()
        return self

    def begin(self) -> None:
        """Forget what was read: a state depends, by rounding, on the texts that it was computed beside."""
        self._known.clear()

    def groups(self, lr: float) -> list[dict[str, Any]]:
        """The head and the layer below it with `lr`, and a trunk that learns with a rate of its own."""
        own = [*self.head.parameters(), *self.middle.parameters()]
        trunk = [p for p in self.network.parameters() if p.requires_grad] if self.trained else []
        found = [{"params": own, "lr": lr}]
        return [*found, {"params": trunk, "lr": float(self.model_config["trunk_lr"])}] if trunk else found

    def pieces(self, batch: dict[str, Any], rows: Tensor, tokens: int) -> list[Tensor]:
        """Rows of like length together, as many as have about `tokens` tokens: a byte counts as a quarter of one."""
        lengths = (batch["text"][rows] != 0).sum(-1)
        found: list[Tensor] = []
        start, order = 0, lengths.argsort(descending=True)
        while start < len(order):
            longest = 1 + int(lengths[order[start]]) // 4
            stop = start + max(1, tokens // longest)
            found.append(rows[order[start:stop]])
            start = stop
        return found

    def read(self, batch: dict[str, Any]) -> Tensor:
        """The layer under the head, [T, width]."""
        read: Tensor = self.middle(self.states(batch["text"]))
        return read

    def states(self, text: Tensor) -> Tensor:
        """Hidden states [T, H] after the last token of each text, `text` [T, B]; equal texts are read once."""
        texts = [row.tobytes().rstrip(b"\0") for row in text.cpu().numpy()]
        number = {each: place for place, each in enumerate(dict.fromkeys(texts))}
        which = torch.tensor([number[each] for each in texts], device=self.head.weight.device)
        if self.trained:
            return self.model.last_states([self._ids(each) for each in number])[which]
        return self._frozen(list(number))[which]

    @torch.no_grad()
    def _frozen(self, texts: list[bytes]) -> Tensor:
        missing = [text for text in texts if text not in self._known]
        if len(self._known) + len(missing) > KNOWN:
            self._known.clear()
            missing = texts
        if missing:
            states = self.model.last_states([self._ids(text) for text in missing])
            self._known |= dict(zip(missing, states, strict=True))
        return torch.stack([self._known[text] for text in texts])

    def _ids(self, text: bytes) -> Ids:
        return self.model.encode_prompt(text.decode())
