"""What changed between two models, and what made it so."""
