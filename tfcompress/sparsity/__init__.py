"""Magnitude pruning of single weights while training: same shape, zeros inside."""
