"""Policy-space response oracles: populations that grow by best responses, until none gains more than epsilon.

Source: Lanctot et al. 2017, "A unified game-theoretic approach to multiagent reinforcement learning"
(arXiv:1711.00832). `loop` is the algorithm over any oracle, `trained` the oracle that trains best responses as
`marl train` does, `record` what is kept, `words` the summary.
"""

from __future__ import annotations

from marl.psro.loop import Oracle, grow
from marl.psro.record import Record
from marl.psro.trained import TrainedOracle, psro

__all__ = ["Oracle", "Record", "TrainedOracle", "grow", "psro"]
