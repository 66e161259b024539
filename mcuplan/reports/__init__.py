"""Documents, and the renderers that show them.

A renderer knows a document and nothing of how its figures were got: :mod:`mcuplan.findings` has the analyses,
:mod:`mcuplan.reports.documents` what is told of them.
"""
