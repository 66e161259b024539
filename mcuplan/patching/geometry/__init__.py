"""Which rows and columns of each tensor an output region needs: maps of single operators, and stages of several."""
