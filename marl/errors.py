"""One exception class a boundary. Each text says what was given, what is allowed and what to do next."""

from __future__ import annotations


class ParleyError(Exception):
    """Root of every error that Parley raises on purpose."""


class ScenarioError(ParleyError):
    """A scenario file or override does not describe something that can be launched."""


class EnvError(ParleyError):
    """An environment breaks PettingZoo's contract or Parley's additions to it."""


class ModelError(ParleyError):
    """A language model cannot be loaded or cannot do what it was asked."""


class PolicyError(ParleyError):
    """A policy breaks the contract of `decide`."""


class ChannelError(ParleyError):
    """A message, topology or intervention does not fit the channel."""


class SolverError(ParleyError):
    """A game or a solver's arguments are outside what the solver can answer."""


class OutOfTimeError(SolverError):
    """A solver reached its time limit: another answer than that there is none."""


class StoreError(ParleyError):
    """A run directory is missing, incomplete or unreadable."""


class LearningError(ParleyError):
    """Training cannot start, or a batch or checkpoint is unusable."""
