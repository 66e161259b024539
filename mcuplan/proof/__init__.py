"""The proof that a planned model is its original, whoever planned it.

Two halves are read off the files: no live byte of the arena is overwritten (:mod:`mcuplan.proof.memory`), and every
position of every output is computed as before (:mod:`mcuplan.proof.function`). Two more run both models on real
runtimes where these are installed (:mod:`mcuplan.proof.runtimes`). :func:`mcuplan.proof.prove.prove` asks for all.

This room is written apart from the search on purpose: it imports nothing of :mod:`mcuplan.planning` and
:mod:`mcuplan.patching` (an import contract holds that), and works out from TFLM's kernels what the search works out
in its own way: which bytes an operator touches when, and where a halo lies. A mistake in one is then found by the
other. What both read is TFLM's data (:mod:`mcuplan.tflm.aliasing`), whose rows are therefore tried on a real TFLM.
"""

from __future__ import annotations
