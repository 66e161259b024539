"""The verbs of mcuplan, the same for the command line, for Python and for the hook."""
