"""What was said, and who has heard it. Messages of a round are audible only once the round is closed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import networkx as nx
import numpy as np

from marl.channel.interventions import Intervention
from marl.types import Message


class Delivery:
    """Carries messages over `graph` (edges from speaker to hearer).

    `post` hands a message in, `close_round` delivers all that were posted, in the order of the graph's nodes, so that
    neither what is heard nor what is drawn depends on the order of posting. An agent's inbox holds what it has heard
    since its own last decision, and what it said itself.
    """

    def __init__(self, graph: nx.DiGraph, intervention: Intervention) -> None:
        self.graph = graph
        self._hearers = {sender: tuple(agent for agent in graph if graph.has_edge(sender, agent)) for sender in graph}
        self.intervention = intervention
        self.reset(np.random.default_rng())

    def reset(self, rng: np.random.Generator) -> None:
        """Forget everything. `rng` is the channel's own stream for this episode."""
        self.rng = rng
        self.messages: list[Message] = []
        self._posted: dict[str, str] = {}
        self._inboxes: dict[str, list[Message]] = {agent: [] for agent in self.graph}

    def hearers(self, sender: str, present: Iterable[str]) -> tuple[str, ...]:
        """The agents among `present` that hear `sender`, in the order of the graph's nodes."""
        there = set(present)
        return tuple(agent for agent in self._hearers.get(sender, ()) if agent in there)

    def post(self, sender: str, text: str) -> None:
        """Hand in `sender`'s message of this round; a later one of the same round takes its place."""
        self._posted[sender] = text

    def close_round(self, step: int, round_: int, present: Iterable[str]) -> None:
        """Deliver what was posted to those among `present` who hear it, and remind each sender of its own words."""
        there = tuple(present)
        for sender in self.graph:
            if sender not in self._posted:
                continue
            sent = self._posted[sender]
            text = self.intervention.heard(sender, sent, self.rng)
            hearers = () if text is None else self.hearers(sender, there)
            message = Message(sender, sent if text is None else text, sent, step, round_, hearers)
            self.messages.append(message)
            for agent in (sender, *message.hearers):
                self._inboxes[agent].append(message)
        self._posted.clear()

    def heard(self, agent: str) -> tuple[Message, ...]:
        """The messages of the agent's current decision as recorded in `messages`, its own included."""
        return tuple(self._inboxes[agent])

    def inbox(self, agent: str) -> tuple[Message, ...]:
        """The same as the agent reads them: its own as it sent them, whatever the intervention made others hear."""
        if not self._inboxes[agent]:
            return ()
        return tuple(
            replace(message, text=message.sent) if message.sender == agent and message.text != message.sent else message
            for message in self._inboxes[agent]
        )

    def end_decision(self, agent: str) -> None:
        """The agent has acted: empty its inbox."""
        self._inboxes[agent].clear()
