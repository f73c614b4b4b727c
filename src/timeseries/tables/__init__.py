"""From any table to checked columns of numbers in order of series and stamp; ``panel.py`` holds the outcome.

``frames`` takes tables of any library and ``files`` reads files; ``layout`` says which column is what,
``roles`` finds them, ``columns`` reads their cells, ``alignment`` puts the rows in order, ``cells`` judges
what is absent, ``regularity`` finds the frequency and its gaps.
"""
