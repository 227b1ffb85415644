"""Normal-form games: payoff tensors over named strategies, exact (fractions) or floating point."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from marl.errors import SolverError

Number = int | float | Fraction
Profile = tuple[int, ...]
"""One strategy index per player."""
MixedProfile = Sequence[int | Sequence[Number] | np.ndarray]
"""One entry per player: a strategy index, or a distribution over that player's strategies."""

MAX_PROFILES = 1_000_000
RELATIVE_RESOLUTION = 1e-12
MAX_DENOMINATOR = 10_000
SUM_TOLERANCE = 1e-9

LARGEST = 10**100
"""Larger payoffs are refused: sums and products of a few must still be floats."""
LONGEST = 1_000
LONG_EXPONENT = re.compile("[eE][-+]?0*[0-9_]{4}")
"""Of which "1e1000000000" is one, a number that fills all memory."""


class NormalFormGame:
    """A finite game in normal form.

    `payoffs` is an array [players, *strategies], read-only: Fractions (dtype object) where `exact`, float64 otherwise.
    Given as nested sequences or arrays of whole numbers, Fractions, or strings such as "9/4" the game is exact; one
    float among them makes it floating. Raises SolverError for ragged, empty, NaN or infinite payoffs, for names
    that do not fit, for payoffs beyond LARGEST, and above MAX_PROFILES profiles.
    """

    def __init__(
        self,
        payoffs: Any,
        players: Sequence[str] | None = None,
        strategies: Sequence[Sequence[str]] | None = None,
    ) -> None:
        self.payoffs = _tensor(payoffs)
        self.payoffs.setflags(write=False)
        self.shape: tuple[int, ...] = self.payoffs.shape[1:]
        self.exact: bool = self.payoffs.dtype == object
        self.players, self.strategies = check_names(self.shape, players, strategies)

    def __repr__(self) -> str:
        return f"NormalFormGame(players={self.players}, shape={self.shape}, exact={self.exact})"

    @property
    def resolution(self) -> float:
        """Differences up to this are ties: 0 for an exact game, 1e-12 of the largest absolute payoff for floats."""
        return 0.0 if self.exact else RELATIVE_RESOLUTION * float(np.max(np.abs(self.payoffs)))

    def distributions(self, profile: MixedProfile) -> list[np.ndarray]:
        """The profile as one distribution per player ([strategies of the player]); SolverError where it is none."""
        if len(profile) != len(self.shape):
            raise SolverError(f"a profile needs {len(self.shape)} entries, one per player; given {len(profile)}")
        rows = enumerate(zip(profile, self.shape, strict=True))
        return [as_distribution(entry, size, f"player {i}") for i, (entry, size) in rows]

    def deviation_payoffs(self, profile: MixedProfile) -> list[np.ndarray]:
        """For each player, the payoff of each own strategy ([strategies of the player]) against the others' play."""
        return self._deviation_payoffs(self.distributions(profile))

    def _deviation_payoffs(self, mixed: list[np.ndarray]) -> list[np.ndarray]:
        exact = self.exact and all(d.dtype == object for d in mixed)
        tensors = self.payoffs if exact else self.payoffs.astype(np.float64)
        weights = mixed if exact else [d.astype(np.float64) for d in mixed]
        payoffs = []
        for player in range(len(self.shape)):
            tensor = tensors[player]
            for axis in reversed(range(len(self.shape))):
                if axis != player:
                    played = np.flatnonzero(weights[axis])
                    part = np.take(tensor, played, axis=axis)
                    tensor = np.tensordot(part, weights[axis][played], axes=([axis], [0]))
            payoffs.append(tensor)
        return payoffs

    def expected_payoffs(self, profile: MixedProfile) -> tuple[Number, ...]:
        """Each player's expected payoff; Fractions where game and profile are exact."""
        return self.assess(profile)[1]

    def assess(self, profile: MixedProfile) -> tuple[list[np.ndarray], tuple[Number, ...], tuple[Number, ...]]:
        """`distributions`, `expected_payoffs` and `regret` of the profile in one go."""
        own = self.distributions(profile)
        deviations = self._deviation_payoffs(own)
        payoffs = tuple(_dot(d, u) for d, u in zip(own, deviations, strict=True))
        gains = (u.max() - payoff for u, payoff in zip(deviations, payoffs, strict=True))
        return own, payoffs, tuple(max(gain, gain * 0) for gain in gains)

    def best_responses(self, profile: MixedProfile, player: int) -> tuple[int, ...]:
        """Indices of the player's strategies that pay most against the others' play; ties within `resolution`."""
        payoffs = self.deviation_payoffs(profile)[player]
        margin = 0 if self.exact else self.resolution
        return tuple(int(s) for s in np.flatnonzero(payoffs >= payoffs.max() - margin))

    def regret(self, profile: MixedProfile) -> tuple[Number, ...]:
        """What each player could gain by switching alone to a best response: zero for all at a Nash equilibrium."""
        return self.assess(profile)[2]

    def nash_conv(self, profile: MixedProfile) -> Number:
        """Sum of the players' regrets (Lanctot et al. 2017, arXiv:1711.00832)."""
        return sum(self.regret(profile))

    @cached_property
    def _rational(self) -> NormalFormGame:
        tolerance = Fraction(self.resolution)
        values, inverse = np.unique(self.payoffs, return_inverse=True)
        converted = np.empty(len(values), dtype=object)
        converted[:] = [rationalize(float(value), tolerance) for value in values]
        return NormalFormGame(converted[inverse].reshape(self.payoffs.shape), self.players, self.strategies)

    @cached_property
    def ranks(self) -> np.ndarray:
        """For each player, the place of every payoff among that player's different payoffs: int64, as `payoffs`.

        Exact, with the ties of `rational`, and cheap for large games: only floats that are closer to each other than
        rationalizing could move them are made fractions.
        """
        return np.stack([_ranks(tensor, self.resolution) for tensor in self.payoffs])

    def rational(self) -> NormalFormGame:
        """The game with every payoff a Fraction, by `rationalize` with `resolution` as tolerance; exact: unchanged."""
        return self if self.exact else self._rational


def rationalize(value: float, tolerance: Fraction) -> Fraction:
    """The nearest fraction with denominator <= 10,000 if within `tolerance`, else the float's exact binary value.

    So 0.1 + 0.2 and 0.3 become the same 3/10, while a measured mean keeps its exact value.
    """
    exact = Fraction(value)
    near = exact.limit_denominator(MAX_DENOMINATOR)
    return near if abs(near - exact) <= tolerance else exact


def check_names(
    shape: tuple[int, ...], players: Sequence[str] | None, strategies: Sequence[Sequence[str]] | None
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Player and strategy names for `shape`, made up ("player_0", "strategy_0") where None. SolverError on a misfit."""
    names = tuple(f"player_{i}" for i in range(len(shape))) if players is None else tuple(players)
    if strategies is None:
        strategies = [[f"strategy_{s}" for s in range(size)] for size in shape]
    labels = tuple(tuple(own) for own in strategies)
    if len(names) != len(shape) or len(set(names)) != len(names):
        raise SolverError(f"players {names} do not fit: give {len(shape)} different names, one per payoff tensor")
    if tuple(len(own) for own in labels) != shape:
        raise SolverError(f"strategies {labels} do not fit: the payoff tensors have {shape} strategies per player")
    for name, own in zip(names, labels, strict=True):
        if len(set(own)) != len(own):
            raise SolverError(f"strategies of {name} repeat a name: {own}; give each its own")
    return names, labels


def _dot(weights: np.ndarray, payoffs: np.ndarray) -> Number:
    if payoffs.dtype == object:
        return sum((w * u for w, u in zip(weights, payoffs, strict=True) if w), start=Fraction(0))
    return float(weights.astype(np.float64) @ payoffs)


def _tensor(payoffs: Any) -> np.ndarray:
    try:
        array = payoffs if isinstance(payoffs, np.ndarray) else np.array(list(payoffs), dtype=object)
    except (TypeError, ValueError) as error:
        raise SolverError("payoffs must be one tensor per player, all of the same shape") from error
    if array.ndim < 2 or 0 in array.shape or array.shape[0] != array.ndim - 1:
        raise SolverError(
            f"payoffs of shape {array.shape} are no game: give [players, *strategies], one axis per player after the "
            "first, at least one strategy each, all rows of the same length"
        )
    profiles = math.prod(array.shape[1:])
    if profiles > MAX_PROFILES:
        raise SolverError(f"{profiles} profiles are too many; at most {MAX_PROFILES} are allowed. Drop strategies")
    if array.dtype.kind == "f":
        return _finite(array.astype(np.float64))
    numbers = [as_number(value) for value in array.flat]
    if any(isinstance(value, float) for value in numbers):
        return _finite(np.array([float(value) for value in numbers]).reshape(array.shape))
    flat = np.empty(array.size, dtype=object)
    flat[:] = numbers
    return flat.reshape(array.shape)


def _finite(floats: np.ndarray) -> np.ndarray:
    count = np.count_nonzero(~np.isfinite(floats))
    if count:
        raise SolverError(f"{count} of {floats.size} payoffs are NaN or infinite; give finite ones")
    largest = float(np.abs(floats).max())
    if largest > LARGEST:
        raise _too_large(str(largest))
    return floats


def _ranks(tensor: np.ndarray, resolution: float) -> np.ndarray:
    """Dense ranks of one player's payoffs: whole numbers at once, floats after a look at what might be a tie."""
    if tensor.dtype == object:
        scale = math.lcm(*{value.denominator for value in tensor.flat})
        whole = [int(value * scale) for value in tensor.flat]
        small = min(whole) >= -(2**63) and max(whole) < 2**63
        values = np.array(whole, dtype=np.int64 if small else object)
        return np.unique(values, return_inverse=True)[1].reshape(tensor.shape)
    different, places = np.unique(tensor, return_inverse=True)
    close = np.diff(different) <= 4 * resolution
    uncertain = np.flatnonzero(np.append(close, False) | np.append(False, close))
    if not len(uncertain):
        return places.reshape(tensor.shape)
    tolerance = Fraction(resolution)
    keys: list[Number] = different.tolist()
    for k in uncertain.tolist():
        keys[k] = rationalize(keys[k], tolerance)  # type: ignore[arg-type]
    order = {key: rank for rank, key in enumerate(sorted(set(keys)))}
    return np.array([order[key] for key in keys])[places].reshape(tensor.shape)


def as_number(value: Any) -> float | Fraction:
    """A payoff or probability as given: exact for whole numbers, Fractions and strings, a float for floats.

    Raises SolverError for anything else, and for exact numbers beyond LARGEST.
    """
    if isinstance(value, float | np.floating):
        return float(value)
    if isinstance(value, str):
        try:
            return exact_number(value)
        except ValueError:
            pass
    elif isinstance(value, int | np.integer | Fraction) and not isinstance(value, bool):
        number = value if isinstance(value, Fraction) else Fraction(int(value))
        if type(number.numerator) is not int:  # NumPy's whole numbers make Fractions that overflow
            number = Fraction(int(number.numerator), int(number.denominator))
        if number.numerator.bit_length() - number.denominator.bit_length() > LARGEST.bit_length():
            raise _too_large(f"a number of {number.numerator.bit_length()} binary digits")
        return number
    raise SolverError(f'payoff {value!r} is no number; give whole numbers, floats, Fractions or strings like "9/4"')


def exact_number(written: str) -> Fraction:
    """A number as it is written, whole, decimal or "p/q", without loss. ValueError where it is none, SolverError where
    it is beyond LARGEST or has more than LONGEST characters.
    """
    if len(written) > LONGEST or LONG_EXPONENT.search(written):
        raise _too_large(repr(written if len(written) < 40 else f"{written[:40]}..."))
    try:
        number = Fraction(written)
    except ZeroDivisionError as error:
        raise ValueError(str(error)) from error
    if abs(number) > LARGEST:
        raise _too_large(repr(written))
    return number


def _too_large(given: str) -> SolverError:
    return SolverError(
        f"numbers may be as large as 1e100 and as long as {LONGEST} characters; given {given}. Use a larger unit"
    )


def as_distribution(entry: Any, size: int, whose: str) -> np.ndarray:
    """An index (played for sure) or `size` probabilities: dtype object (Fractions) where exact, else float64.

    Raises SolverError, with `whose` as its subject, where it is neither.
    """
    if isinstance(entry, int | np.integer):
        if not 0 <= entry < size:
            raise SolverError(f"{whose} has choices 0 to {size - 1}; given {entry}")
        point = np.full(size, Fraction(0), dtype=object)
        point[int(entry)] = Fraction(1)
        return point
    values = [as_number(value) for value in entry]
    exact = all(isinstance(value, Fraction) for value in values)
    total = sum(values)
    close = total == 1 if exact else abs(float(total) - 1) <= SUM_TOLERANCE
    if len(values) != size or min(values, default=-1) < 0 or not close:
        raise SolverError(
            f"{whose} needs {size} probabilities that are >= 0 and sum to 1; given {len(values)} summing to "
            f"{float(total)}"
        )
    return np.array(values, dtype=object if exact else np.float64)
