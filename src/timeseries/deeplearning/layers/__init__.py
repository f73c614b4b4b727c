"""Pieces that networks share; one idea per file."""
