"""The networks: one per file, pure functions from a Window to a forecast (B, H, D, P).

No loss, no optimiser, no device, no table: a network knows its window and nothing else.
"""
