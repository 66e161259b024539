"""The verb ``sweep`` from the inside: items, executors, files."""
