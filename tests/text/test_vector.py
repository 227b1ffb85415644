import numpy as np
from gymnasium import spaces

from marl.text import flat_observation, flat_size

BOX = spaces.Box(0.0, 1.0, (2, 2), np.float32)


def test_a_box_is_its_numbers_row_by_row():
    observation = np.array([[1.0, 0.0], [0.5, 0.25]], np.float32)
    assert flat_observation(BOX, observation).tolist() == [1.0, 0.0, 0.5, 0.25]
    assert flat_size(BOX) == 4


def test_the_action_mask_is_no_part_of_what_is_seen():
    space = spaces.Dict(observation=spaces.Discrete(3), action_mask=spaces.MultiBinary(5))
    flat = flat_observation(space, {"observation": 2, "action_mask": np.ones(5, np.int8)})
    assert flat.tolist() == [0.0, 0.0, 1.0]
    assert flat.dtype == np.float32
    assert flat_size(space) == 3


def test_numbers_of_another_type_become_the_spaces_own_and_then_float32():
    whole = spaces.Box(0, 9, (3,), np.int64)
    assert (
        flat_observation(whole, [1.0, 2.9, 3.0]).tolist() == np.float32(spaces.flatten(whole, [1.0, 2.9, 3.0])).tolist()
    )
    assert flat_observation(spaces.Box(0.0, 1.0, (1,), np.float64), np.array([0.1])).tolist() == [np.float32(0.1)]


def test_what_an_env_does_to_its_array_later_changes_nothing():
    observation = np.zeros((2, 2), np.float32)
    flat = flat_observation(BOX, observation)
    observation[:] = 1.0
    assert not flat.any()
