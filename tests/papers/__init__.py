"""The accounting of the papers on patch-based inference, and a search in it: what mcuplan is compared with."""
