from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
import torch

from marl.learning.exploration import Exploration, bucket
from marl.training_settings import QSettings

Q, LEGAL = torch.tensor([[0.3, 0.5, 9.0]]), torch.tensor([[True, True, False]])
READ, OPTIONS = [np.array([1.0, 2.0], np.float32)], [[(0,), (1,), (2,)]]


def test_epsilon_goes_from_first_to_second_over_its_part_of_the_run() -> None:
    exploration = Exploration(QSettings(epsilon=(1.0, 0.2), anneal=0.5))
    found = []
    for iteration in range(10):
        exploration.set_iteration(iteration, 10)
        found.append(float(exploration.epsilon))
    assert found == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])


def test_epsilon_is_shared_by_the_legal() -> None:
    exploration = Exploration(QSettings(epsilon=(0.5, 0.5)))
    assert exploration(Q, LEGAL, READ, OPTIONS).exp().tolist() == [pytest.approx([0.25, 0.75, 0.0])]


def test_ucb_tries_each_option_and_then_weighs_how_often_it_was_tried() -> None:
    exploration = Exploration(QSettings(explore="ucb", ucb=1.0))

    def play() -> list[float]:
        return exploration(Q, LEGAL, READ, OPTIONS).exp()[0].tolist()

    assert play() == [0.5, 0.5, 0.0]
    exploration.count(READ, [(1,)])
    assert play() == [1.0, 0.0, 0.0]
    exploration.count(READ * 2, [(0,), (1,)])
    assert 0.3 + math.sqrt(math.log(3)) > 0.5 + math.sqrt(math.log(3) / 2)
    assert play() == [1.0, 0.0, 0.0]
    exploration.count(READ * 4, [(0,)] * 4)
    assert 0.3 + math.sqrt(math.log(7) / 5) < 0.5 + math.sqrt(math.log(7) / 2)
    assert play() == [0.0, 1.0, 0.0]
    elsewhere = [np.array([1.0, 3.0], np.float32)]
    assert exploration(Q, LEGAL, elsewhere, OPTIONS).exp()[0].tolist() == [0.5, 0.5, 0.0]


def test_situations_and_options_have_places_of_their_own_which_no_process_changes() -> None:
    places = {bucket(situation, option) for situation in [(1, 2), (2, 1), (1,)] for option in [(0,), (1,), (0, 1)]}
    assert len(places) == 9
    assert bucket((1, 2), (3,)) == zlib.crc32(np.array([1, 2, 3], np.int64).tobytes()) % 65536


def test_all_of_it_is_in_its_state() -> None:
    one, two = (Exploration(QSettings(explore="ucb")) for _ in range(2))
    one.count(READ, [(1,)])
    one.epsilon.fill_(0.125)
    two.load_state_dict(one.state_dict())
    assert float(two.epsilon) == 0.125
    assert torch.equal(two(Q, LEGAL, READ, OPTIONS), one(Q, LEGAL, READ, OPTIONS))
