"""Attempts to break the guarantee: whatever is killed, stopped, filled or taken away, the same rows come out."""
