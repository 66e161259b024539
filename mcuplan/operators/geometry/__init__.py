"""The one spatial geometry: windows, what they read of rows and columns, what can run by parts, and halos.

Analysis, search and writing of patch stages share it. The proofs have a geometry of their own, on purpose.
"""

from mcuplan.operators.geometry.axes import SAME, VALID, Axis, Window, window, window_axis

__all__ = ["SAME", "VALID", "Axis", "Window", "window", "window_axis"]
