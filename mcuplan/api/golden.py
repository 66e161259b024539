"""Golden vectors of a project: what an official runtime gives for inputs that the device can make itself."""

from __future__ import annotations

from mcuplan.firmware.golden import SEED, GoldenVector
from mcuplan.proof.runtimes.children import RuntimeMissingError, RuntimeRun, run_litert, run_tflm
from mcuplan.proof.whole_inputs import WholeInputError, with_whole_inputs
from mcuplan.tflite.files import read, write

_TFLM, _LITERT = "TFLM's own Python package (tflite-micro)", "LiteRT's reference kernels (ai-edge-litert)"


def golden_vector(model: bytes) -> tuple[GoldenVector | None, str]:
    """The outputs of ``model`` on TFLM's Python package or, where that is not installed or refuses it, on LiteRT.

    Both run in a child process. An input that comes row by row is given whole, which is the same. None, and why, where
    neither gives any.
    """
    try:
        model = _whole(model)
    except WholeInputError as error:
        return None, str(error)
    reasons = []
    for name, run, step in ((_TFLM, run_tflm, 0), (_LITERT, run_litert, 1)):
        try:
            ran = run([model], (SEED,))[0]
        except RuntimeMissingError as missing:
            reasons.append(str(missing))
            continue
        if ran.ok:
            return GoldenVector(name, ran.calls[0], step), ""
        reasons.append(f"{name} refuses the model: {_first_line(ran)}")
    return None, "; ".join(reasons)


def _first_line(ran: RuntimeRun) -> str:
    return (ran.message.splitlines() or ["it said nothing"])[0][:200]


def _whole(model: bytes) -> bytes:
    """The model with whole inputs, which the runtimes take."""
    graph = read(model)
    whole = with_whole_inputs(graph)
    return model if whole is graph else write(whole)
