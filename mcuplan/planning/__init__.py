"""How a plan is found: order, aliases and offsets that need the least arena."""
