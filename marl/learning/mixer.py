"""QMIX's mixing network as an RLModule; it exists in training only, in the critic's place."""

from __future__ import annotations

from typing import Any

import torch
from ray.rllib.core.rl_module.torch import TorchRLModule
from torch import Tensor

from marl.learning import objectives


class MixerModule(TorchRLModule):
    """Q_tot of a team.

    model_config: state (numbers of the state), agents, width, seed. `forward_train` takes values [T, N], present [T, N]
    and state [T, D], and returns `values` [T].
    """

    def setup(self) -> None:
        """Build the network; its initial weights come from `seed` alone."""
        config = self.model_config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(config["seed"]))
            self.mixer = objectives.QMixer(int(config["state"]), int(config["agents"]), int(config["width"]))

    def _forward(self, batch: dict[str, Any], **_: Any) -> dict[str, Tensor]:
        return {"values": self.mixer(batch["values"], batch["present"], batch["state"])}
