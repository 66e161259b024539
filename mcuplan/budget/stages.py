"""What patch stages may cost: stated by options, by the configuration, or as mcuplan takes it by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mcuplan.errors import McuplanError

USUAL_OVERHEAD = 1.1
"""Most instructions with patch stages, as a factor, where nothing is stated."""
NO_OVERHEAD = 1e6
"""A factor that no plan has."""


@dataclass(frozen=True, slots=True)
class StageLimits:
    """Most instructions and multiply-accumulates of the whole model, as factors (None: as many as there may be);
    whether the ``least`` arena within them is meant, or the knee, behind which little arena costs much time."""

    max_overhead: float = USUAL_OVERHEAD
    max_macs: float | None = None
    least: bool = False

    def options(self) -> tuple[str, ...]:
        """The options of ``mcuplan plan --patch`` that say so, but for what it does by itself.

        Examples
        --------
        >>> StageLimits(1.25, least=True).options(), stage_limits(max_macs=1.5).options()
        (('--max-overhead 1.25', '--least'), ('--max-macs 1.5',))
        """
        usual = USUAL_OVERHEAD if self.max_macs is None else NO_OVERHEAD
        words = [f"--max-overhead {self.max_overhead:g}"] if self.max_overhead != usual else []
        words += [f"--max-macs {self.max_macs:g}"] if self.max_macs is not None else []
        return (*words, "--least") if self.least else tuple(words)


def stage_limits(
    max_overhead: float | None = None, max_macs: float | None = None, least: bool | None = None
) -> StageLimits:
    """The limits that are stated; alone, one on multiply-accumulates leaves time without a limit.

    Raises
    ------
    McuplanError
        For a factor below 1, or one that is no finite number.
    """
    for name, factor in (("max_overhead", max_overhead), ("max_macs", max_macs)):
        if factor is not None and not 1 <= factor < math.inf:
            raise McuplanError(f"{name}: {factor!r} is not a factor: state a number such as 1.1, at least 1")
    usual = USUAL_OVERHEAD if max_macs is None else NO_OVERHEAD
    return StageLimits(usual if max_overhead is None else max_overhead, max_macs, bool(least))
