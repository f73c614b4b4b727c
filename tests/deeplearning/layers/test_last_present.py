import math

import torch

from timeseries.deeplearning.layers.last_present import known_states


def test_the_state_of_the_last_present_step_stands_for_absent_ones_and_its_age_is_told():
    states = torch.arange(1.0, 11.0).reshape(1, 5, 2)
    present = torch.tensor([[False, True, False, False, True]])
    known = known_states(states, present, aged=True)
    assert known[0, :, :2].tolist() == [[0, 0], [3, 4], [3, 4], [3, 4], [9, 10]]
    expected = [math.log(1 + age) for age in (1, 0, 1, 2, 0)]
    torch.testing.assert_close(known[0, :, 2], torch.tensor(expected))
    assert torch.equal(known_states(states, present, aged=False), known[..., :2])
    assert torch.equal(known_states(states, None, aged=False), states)
