"""Documents and findings as lines of text for a terminal."""
