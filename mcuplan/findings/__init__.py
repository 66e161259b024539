"""Analyses that people read: what a model spends, where memory peaks, what would help, what changed."""
