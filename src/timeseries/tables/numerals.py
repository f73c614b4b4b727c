"""Numbers written as text: the decimal mark, the mark that groups thousands, and the strict reading of both.

Groups hold exactly three digits: 1.234.567,8 is a number, 12.34,5 is none. Between commas, as in India, those
before the last may all hold two instead: 1,23,45,678. Which of two readings of 1,234 is meant is never
guessed here: whoever knows the marks names them.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from timeseries.tables.layout import THOUSANDS, TableLayout

_BY_TWO = "[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}"  # as in India
_WRITTEN = {" ": "[ \u00a0\u202f]", "'": "['\u2019]"}  # no-break spaces and the typographic apostrophe too


def mark_class(thousands: str) -> str:
    """Return the regular expression for a mark between groups, with the look-alikes of typography.

    >>> re.sub(mark_class(" "), "", "1 234\u202f567")
    '1234567'
    """
    return _WRITTEN.get(thousands, re.escape(thousands))


@dataclass(frozen=True)
class Numerals:
    """The marks with which numbers are written.

    Examples
    --------
    >>> Numerals(",", ".").read(["1.234.567,8", "-126,34", "12.34,5"]).tolist()
    [1234567.8, -126.34, nan]
    """

    decimal: str = "."
    """ "." or ","."""
    thousands: str | None = None
    """The mark between groups of three digits; None: there are no groups."""

    def read(self, texts: Iterable[object]) -> np.ndarray:
        """Read texts as numbers, shape (N,): NaN for what is no text, or none that is written so."""
        form = self._form()
        return np.array([self._number(form, text) for text in texts], dtype=np.float64)  # (N,)

    def _number(self, form: re.Pattern[str], text: object) -> float:
        found = form.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            return np.nan
        whole = "".join(digit for digit in found["whole"] if digit.isdigit())
        rest = (found["rest"] or "").replace(self.decimal, ".")
        return float(f"{found['sign']}{whole or 0}{rest}{found['power'] or ''}")

    def _form(self) -> re.Pattern[str]:
        """Return the form of a number: sign, digits in groups or without, decimals, power of ten."""
        grouped = ""
        if self.thousands is not None:
            grouped = rf"[0-9]{{1,3}}(?:{mark_class(self.thousands)}[0-9]{{3}})+|"
            grouped += f"{_BY_TWO}|" if self.thousands == "," else ""
        decimals = re.escape(self.decimal)
        return re.compile(
            rf"\s*(?P<sign>[+-]?)(?P<whole>{grouped}[0-9]+|(?={decimals}[0-9]))"
            rf"(?P<rest>{decimals}[0-9]*)?(?P<power>[eE][+-]?[0-9]+)?\s*"
        )


EVERY = [
    Numerals(decimal, thousands)
    for decimal, thousands in itertools.product(".,", (None, *THOUSANDS))
    if decimal != thousands
]
"""All ways of writing numbers that are known here."""
GROUPED = [way for way in EVERY if way.thousands not in (None, " ")]
"""Those whose marks hardly stand in text that is no number: a space does, in names and codes."""


def by_two(text: str) -> bool:
    """Tell whether the digits of a number stand in groups of two before the last three.

    >>> by_two("1,57,106.88"), by_two("157,106.88")
    (True, False)
    """
    return re.search(rf"(?<![0-9,]){_BY_TWO}(?![0-9,])", text) is not None


def unsigned(text: str) -> str:
    """Take the signs of currencies and per cent away from a text, with the spaces beside them.

    >>> unsigned("€ 50.13"), unsigned("-5 %")
    ('50.13', '-5')
    """
    return "".join(mark for mark in text if mark not in money([text])).strip() if money([text]) else text


def money(texts: Iterable[str]) -> list[str]:
    """List the signs of currencies and per cent in some texts, each once.

    >>> money(["€ 50.13", "£3", "€ 4"])
    ['€', '£']
    """
    marks = dict.fromkeys(mark for text in texts for mark in text)
    return [mark for mark in marks if mark == "%" or unicodedata.category(mark) == "Sc"]


def written_as(texts: Sequence[str], layout: TableLayout, decimal: str | None) -> list[Numerals]:
    """Find the ways of writing in which all texts are numbers, none with marks that it can do without.

    Parameters
    ----------
    texts
        Cells that hold a digit.
    layout
        Marks that it names are kept, if that is possible.
    decimal
        The decimal mark of the file, where it was found.

    Returns
    -------
    list of Numerals
        Empty where there is none; several where the texts can be read in more than one way.

    Examples
    --------
    >>> written_as(["1.234,5"], TableLayout(), None)
    [Numerals(decimal=',', thousands='.')]
    >>> [numerals.decimal for numerals in written_as(["1,234"], TableLayout(), None)]
    [',', '.']
    """
    known = layout.decimal_mark or decimal
    ways = [way for way in EVERY if texts and not np.isnan(way.read(texts)).any()]
    kept = [way for way in ways if known in (None, way.decimal) and layout.thousands in (None, way.thousands)]
    ways = kept or ways
    plain = {way.decimal for way in ways if way.thousands is None}
    ways = [way for way in ways if way.thousands is None or way.decimal not in plain]
    return sorted(ways, key=lambda way: way.thousands is not None)


def advice(ways: Sequence[Numerals], layout: TableLayout, *, mixed: bool = False) -> str:
    """Say which settings make numbers of cells that are written in one of several ways.

    ``mixed`` groups hold two digits or three.

    Examples
    --------
    >>> advice([Numerals(",", ".")], TableLayout(decimal="."))
    "give decimal=',' and thousands='.' for groups of three digits"
    >>> advice([Numerals(","), Numerals(".", ",")], TableLayout())
    "give decimal=',' for a decimal comma, or thousands=',' for groups of three digits"
    >>> advice([Numerals(".", ",")], TableLayout(), mixed=True)
    "give thousands=',' for groups of two and three digits"
    """
    sizes = "two and three" if mixed else "three"
    return f"give {', or '.join(dict.fromkeys(_settings(way, layout, sizes) for way in ways))}"


def _settings(way: Numerals, layout: TableLayout, sizes: str) -> str:
    """Write a way of writing numbers as what the layout lacks."""
    if way.thousands is None:
        return f"decimal={way.decimal!r} for a decimal {'comma' if way.decimal == ',' else 'point'}"
    settings = [f"thousands={way.thousands!r}"]
    if layout.decimal not in (None, way.decimal):
        settings.insert(0, f"decimal={way.decimal!r}")
    return f"{' and '.join(settings)} for groups of {sizes} digits"
