"""Reading patches: what a network makes of L steps at once is what it makes of one step L times as wide."""

from dataclasses import replace

import pytest
import torch

from timeseries.deeplearning.models.reformer import ReformerModel
from timeseries.deeplearning.models.transformer import TransformerModel
from timeseries.deeplearning.models.transformer_xl import TransformerXLModel
from timeseries.deeplearning.window import Sizes, Window
from timeseries.errors import SettingError

SIZES = Sizes(context=12, horizon=5, past=3, targets=2)
ATTENTION = {
    "transformer": TransformerModel(d_model=8, nhead=2),
    "learned positions": TransformerModel(d_model=8, nhead=2, positional="learned"),
    "transformer xl": TransformerXLModel(d_model=8, nhead=2, segment_length=2, memory_length=1),
    "reformer": ReformerModel(d_model=8, nhead=2, chunk_length=2),
}


def network(model, sizes, **settings):
    torch.manual_seed(0)
    return model.set_params(**settings).build_network(sizes).eval()


@pytest.mark.parametrize("name", ATTENTION)
def test_a_patch_is_a_wide_step(name):
    patched = network(ATTENTION[name], SIZES, patch_length=4)
    wide = network(ATTENTION[name], replace(SIZES, context=3, past=12), patch_length=1)
    wide.load_state_dict(patched.state_dict())
    past = torch.randn(7, 12, 3, generator=torch.Generator().manual_seed(1))
    expected = wide(Window(past.reshape(7, 3, 12)))
    torch.testing.assert_close(patched(Window(past)), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", ATTENTION)
def test_a_patch_that_is_longer_than_the_window_is_filled_up_on_the_left(name):
    patched = network(ATTENTION[name], SIZES, patch_length=20)
    past = torch.randn(7, 12, 3, generator=torch.Generator().manual_seed(1))
    filled = torch.nn.functional.pad(past, (0, 0, 8, 0))
    torch.testing.assert_close(patched(Window(past)), patched(Window(filled)))


def test_the_longest_window_of_a_transformer_counts_in_patches():
    TransformerModel(sequence_length=8 * 4096, patch_length=8).check_settings()
    with pytest.raises(SettingError, match="at most 32,768 for a transformer"):
        TransformerModel(sequence_length=8 * 4096 + 1, patch_length=8).check_settings()


def test_the_keys_of_a_memory_count_in_patches():
    settings = {"segment_length": 4000, "memory_length": 4000}
    TransformerXLModel(sequence_length=8192, patch_length=2, **settings).check_settings()
    with pytest.raises(SettingError, match="at most 4,096"):
        TransformerXLModel(sequence_length=8200, patch_length=2, **settings).check_settings()
