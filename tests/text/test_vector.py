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
