"""One report, and the renderers that show it: text and JSON.

A renderer knows the report and nothing of how its figures were got; :mod:`mcuplan.reports.build` makes the report.
"""

from __future__ import annotations
