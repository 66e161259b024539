"""Patch stages: receptive fields backwards through a stage, what a stage costs, and the search for the best ones."""
