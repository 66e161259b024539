"""The zoo: reference networks built in pure Python with seeded weights, as int8, int16 or float models.

Nothing here needs TensorFlow, a download or a file: :func:`build` returns a :class:`~mcuplan.graph.Graph`, which
``mcuplan.tflite`` writes. Importing this module does not import numpy; building does.
"""

from __future__ import annotations

from mcuplan.zoo.catalogue import PREFIX, Entry, Range, ZooError, build, describe, names, resolve

__all__ = ["PREFIX", "Entry", "Range", "ZooError", "build", "describe", "names", "resolve"]
