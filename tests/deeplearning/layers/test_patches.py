"""Patches against slicing by hand."""

import torch

from timeseries.deeplearning.layers.patches import into_patches, patch_ends


def test_patches_end_at_the_newest_step_and_the_oldest_is_filled_with_zeros():
    x = torch.arange(1.0, 11.0).reshape(1, 5, 2)  # (1, T, W): 1 2 | 3 4 | 5 6 | 7 8 | 9 10
    patches, present = into_patches(x, None, 3)
    assert present is None
    assert patches.tolist() == [[[0, 0, 1, 2, 3, 4], [5, 6, 7, 8, 9, 10]]]


def test_an_absent_step_is_zero_and_a_patch_without_any_step_is_absent():
    x = torch.arange(1.0, 7.0).reshape(1, 6, 1)
    present = torch.tensor([[False, False, True, False, True, True]])
    patches, there = into_patches(x, present, 2)
    assert patches.tolist() == [[[0, 0], [3, 0], [5, 6]]]
    assert there.tolist() == [[False, True, True]]


def test_patches_of_one_step_are_the_steps():
    x, present = torch.randn(2, 4, 3), torch.ones(2, 4, dtype=torch.bool)
    patches, there = into_patches(x, present, 1)
    assert patches is x
    assert there is present


def test_the_last_steps_of_the_patches_are_counted_from_the_newest():
    assert patch_ends(torch.arange(7)[None], 3).tolist() == [[0, 3, 6]]
    assert patch_ends(torch.arange(7)[None], 1).tolist() == [[0, 1, 2, 3, 4, 5, 6]]
