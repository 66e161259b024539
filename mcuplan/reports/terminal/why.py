"""The changes of ``check --why`` as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from mcuplan.findings.change import Change
from mcuplan.reports.terminal.lines import COMMAND, Lines, harmless


def why_lines(changes: Sequence[Change], passes: bool, lines: Lines, where: str = "") -> Iterator[Text]:
    """The changes of one result: what each is, what it gains and costs, and its command."""
    yield Text()
    title = "What would make more room" if passes else "What would change the verdict"
    yield from lines.wrapped(Text(f"{title}{where}, best first", style="bold"))
    if not changes:
        yield from lines.wrapped(Text("nothing that mcuplan can work out"), indent=2)
    for number, change in enumerate(changes, 1):
        head = Text(f"{number} {change.text}: ")
        head.append(change.effect, style="green" if change.verdict == "pass" else "")
        yield from lines.wrapped(head, indent=2, hang=2)
        yield from lines.wrapped(Text(f"{gain_text(change)}; costs {change.cost}"), indent=4)
        # A command is copied: it is never broken.
        yield harmless(Text(f"    {change.command}"), COMMAND, COMMAND)


def gain_text(change: Change) -> str:
    """The gains in words.

    Examples
    --------
    >>> gain_text(Change("plan", "a plan", "nothing", "mcuplan plan M", "pass", "RAM then fits", 18_528, -288, 0))
    'saves 18,528 bytes of RAM, loses 288 bytes of flash'
    """
    pairs = ((change.ram_bytes, "bytes of RAM"), (change.flash_bytes, "bytes of flash"), (change.macs, "MACs"))
    gains = ", ".join(f"{amount:,} {what}" for amount, what in pairs if amount > 0)
    losses = ", ".join(f"{-amount:,} {what}" for amount, what in pairs if amount < 0)
    return ", ".join(part for part in (gains and f"saves {gains}", losses and f"loses {losses}") if part)
