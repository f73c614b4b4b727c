"""Widths of layers: one for all of them, or one for each."""

from collections.abc import Iterator, Sequence

MOST_LAYERS = 64


def layer_widths(width: int | Sequence[int], layers: int) -> tuple[int, ...]:
    """Return the width of every layer; several numbers are one per layer, and ``layers`` does not count.

    Examples
    --------
    >>> layer_widths(8, 2), layer_widths((8, 4, 2), 2)
    ((8, 8), (8, 4, 2))
    """
    return tuple(width) if isinstance(width, Sequence) else (width,) * layers


def width_problems(name: str, width: object) -> Iterator[str]:
    """Yield a sentence where a setting names more layers than a network may have."""
    if isinstance(width, (tuple, list)) and len(width) > MOST_LAYERS:
        yield f"{name} must name at most {MOST_LAYERS} layers, got {len(width)}"
