"""Patch stages of a chain of layers in the accounting of the papers on patch-based inference."""
