"""``python -m mcuplan``."""

from __future__ import annotations

from mcuplan.cli import main

main()
