"""Small models for the tests: drawn by hand, at random, and a plain executor to judge them by."""
