from fractions import Fraction

from marl.games.equilibrium import by_support, certify
from marl.games.normal_form import NormalFormGame

STAG = NormalFormGame([[[9, 0], [8, 7]], [[9, 8], [0, 7]]])


def test_certify_recomputes_payoffs_and_regret() -> None:
    half = [Fraction(7, 8), Fraction(1, 8)]
    mixed = certify(STAG, [half, half], "by hand")
    assert mixed.payoffs == (Fraction(63, 8), Fraction(63, 8))
    assert (mixed.regret, mixed.exact, mixed.pure, mixed.support) == (0, True, None, ((0, 1), (0, 1)))
    wrong = certify(STAG, [0, 1], "by hand")
    assert (wrong.regret, wrong.exact, wrong.pure) == (7, False, (0, 1))


def test_a_floating_profile_is_never_called_exact() -> None:
    assert not certify(STAG, [[1.0, 0.0], [1.0, 0.0]], "by hand").exact


def test_small_supports_come_first() -> None:
    half = [Fraction(7, 8), Fraction(1, 8)]
    found = [certify(STAG, profile, "by hand") for profile in ([half, half], [1, 1], [0, 0])]
    assert [one.pure for one in sorted(found, key=by_support)] == [(0, 0), (1, 1), None]
