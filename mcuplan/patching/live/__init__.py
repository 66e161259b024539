"""Patch stages of a graph in live bytes: what must be in memory, whatever a runtime adds."""
