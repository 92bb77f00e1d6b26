"""A report for the terminal, in a few lines."""

from edge.count.summary import Summary
from edge.output.tables import Table
from edge.share import Share
from edge.system.streams import printable


def text(summary: Summary) -> str:
    """The counts with their intervals, what a reader has to know, and who stands for it."""
    settings, rows = summary.settings, []
    for label, count in summary.counts.items():
        rows.append([label, str(count), _percent(summary.shares[label]) if label in summary.shares else ""])
    if summary.open:
        rows.append(["open", str(summary.open), ""])
    of = f"% of the {settings.cells}"
    lines = [
        f"{printable(summary.name)}: slide {printable(settings.slide or '-')}, {printable(settings.operator or '-')}"
    ]
    lines += [Table(["", "cells", f"{of} (95 %)"], rows).text()]
    if summary.ratio.value is not None:
        lines.append(f"Monocytes to lymphocytes: {summary.ratio}")
    if summary.nucleated_red_factor is not None:
        lines.append(f"Nucleated red cells: multiply a white cell count by {summary.nucleated_red_factor:.3f}.")
    if summary.agreement and summary.agreement.kappa is not None:
        found = summary.agreement
        lines.append(f"The readers agree on {found.same}; kappa {found.kappa:.2f} [{found.low:.2f}, {found.high:.2f}]")
    if summary.signature:
        lines.append(f"Signed by {printable(summary.signature.reader)}, version {summary.signature.version}.")
    return "\n".join([*lines, *map(printable, summary.notices)])


def _percent(share: Share) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "-"
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"
