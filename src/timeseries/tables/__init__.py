"""From any table to checked columns of numbers in order of series and stamp; ``panel.py`` holds the outcome.

``layout`` says which column is what, ``roles`` finds them, ``columns`` reads their cells, ``alignment``
puts the rows in order, ``regularity`` finds the frequency and its gaps, ``csv_file`` reads files.
"""
