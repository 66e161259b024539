"""Patch stages written as ordinary operators, strip after strip or rolled into a loop."""
