"""What all pictures share: colours that everybody tells apart, panels, legends, and files."""

from collections.abc import Sequence
from io import BytesIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from timeseries.errors import MissingExtraError, SettingError, require_path, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe & Ito (2008): told apart with any kind of colour vision, and in print by their lightness.
OBSERVED, MODEL, BEST = "#2b2d33", "#0072B2", "#D55E00"
OTHERS = ("#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#7a7f87")
PICTURES = (".png", ".svg")


def check_picture(path: str | PathLike[str]) -> None:
    """Refuse a picture that could not be written: its suffix is no picture's, or matplotlib is absent."""
    require_path(path)
    if Path(path).suffix.lower() not in PICTURES:
        raise SettingError(f"A picture is written as .png or .svg, but {Path(path).name!r} ends otherwise.")
    try:
        import matplotlib as _  # noqa: F401
    except ImportError:
        raise MissingExtraError("matplotlib", "plot") from None


def save_picture(figure: "Figure", path: str | PathLike[str]) -> None:
    """Write a figure as PNG or SVG, by the suffix of the path; no display is needed."""
    check_picture(path)
    if not hasattr(figure, "savefig"):
        raise SettingError(
            f"save_picture writes the figure that a plot_ function returned, got {shown(figure)}."
        )
    figure.savefig(path, dpi=150)


def new_figure(titles: Sequence[str], total: int) -> tuple["Figure", "list[Axes]"]:
    """Make a figure with one panel above the other for each title, out of ``total`` there could be."""
    figure = empty_figure(9, 4.5 if len(titles) == 1 else 2.4 * len(titles))
    panels: list[Axes] = list(figure.subplots(len(titles), squeeze=False, sharex=len(titles) > 1)[:, 0])
    for title, axes in zip(titles, panels, strict=True):
        dress(axes, title)
    if total > len(titles) > 1:
        figure.supxlabel(f"{len(titles)} of {total} series", fontsize=9)
    return figure, panels


def empty_figure(width: float, height: float) -> "Figure":
    """Make a figure of a size in inches; it needs no display, and notebooks show it."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "plot") from None

    class NotebookFigure(Figure):
        def _repr_png_(self) -> bytes:  # what notebooks look for; matplotlib gives it to its pyplot alone
            file = BytesIO()
            self.savefig(file, format="png")
            return file.getvalue()

    return NotebookFigure(figsize=(width, height), layout="constrained")


def dress(axes: "Axes", title: str) -> None:
    """Give a panel its title and the looks of all panels."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)


def whole_numbers(axes: "Axes") -> None:
    """Label the axis of steps or epochs with whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def legend(axes: "Axes") -> None:
    """Explain every look once, beside the panel so that it hides nothing."""
    handles, labels = axes.get_legend_handles_labels()
    known = dict(zip(labels, handles, strict=True))
    axes.legend(
        known.values(), known.keys(), frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0)
    )


def short_dates(axes: "Axes") -> None:
    """Label stamps as briefly as their span allows: the year or day once, not at every mark."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = axes.xaxis.get_major_locator()
    if isinstance(locator, AutoDateLocator):
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
