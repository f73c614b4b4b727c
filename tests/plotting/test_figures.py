"""Pictures as files: both formats, without a display, and what stands in the way."""

import sys
from xml.etree import ElementTree

import pytest

from timeseries.errors import MissingExtraError, SettingError
from timeseries.plotting import check_picture, plot_losses, save_picture

RECORD = {"epoch": 0, "steps": 1, "train_loss": 3.0, "val_loss": 2.0, "seconds": 0.1}


@pytest.mark.parametrize("name", ["a.png", "a.svg", "A.PNG"])
def test_both_formats_are_written_without_a_display(name, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    save_picture(plot_losses([RECORD]), tmp_path / name)
    if name.endswith("svg"):
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")
    else:
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_other_formats_and_an_absent_matplotlib_are_refused_with_the_fix(monkeypatch):
    with pytest.raises(SettingError, match=r"\.png or \.svg, but 'x\.jpg'"):
        check_picture("folder/x.jpg")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    for draw in (lambda: check_picture("x.png"), lambda: plot_losses([RECORD])):
        with pytest.raises(MissingExtraError, match=r"timeseries-deeplearning\[plot\]"):
            draw()


def test_notebooks_find_a_picture_in_what_is_returned():
    assert plot_losses([RECORD])._repr_png_().startswith(b"\x89PNG")
