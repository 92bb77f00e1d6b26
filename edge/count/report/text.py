"""A report for the terminal, in a few lines."""

from collections.abc import Sequence

from edge.count.summary import Summary
from edge.count.words import ENGLISH, Words, words
from edge.output.tables import Table
from edge.share import Share
from edge.system.streams import printable


def text(summary: Summary, language: str = ENGLISH) -> str:
    """The counts with their intervals, what a reader has to know, and who stands for it.

    language: one of edge.count.words.languages.
    """
    say, settings, shares = words(language), summary.settings, summary.shares
    rows = [[say(label), str(count), _percent(shares.get(label), say)] for label, count in summary.counts.items()]
    if summary.open:
        rows.append([say("open"), str(summary.open), ""])
    name, slide, operator = (printable(each or "-") for each in (summary.name, settings.slide, settings.operator))
    lines = [say("{name}: slide {slide}, {operator}", name=name, slide=slide, operator=operator)]
    lines += [Table(["", say("cells"), say("% of the {cells} (95 %)", cells=say(settings.cells))], rows).text()]
    ratio, factor, agreement, signed = summary.ratio, summary.nucleated_red_factor, summary.agreement, summary.signature
    if ratio.value is not None:
        found = f"{_within((ratio.value, ratio.low, ratio.high), 3, say)} {ratio.numerator}:{ratio.denominator}"
        lines.append(say("Monocytes to lymphocytes: {ratio}", ratio=found))
    if factor is not None:
        lines.append(say("Nucleated red cells: multiply a white cell count by {factor}.", factor=say.number(factor, 3)))
    if agreement and agreement.kappa is not None:
        same = agreement.same
        found = f"{_within((same.value, same.low, same.high), 3, say)} {same.right}/{same.count}"
        kappa = _within((agreement.kappa, agreement.low, agreement.high), 2, say)
        lines.append(say("The readers agree on {same}; kappa {kappa}", same=found, kappa=kappa))
    if signed:
        reader = printable(signed.reader)
        lines.append(say("Signed by {reader}, version {version}.", reader=reader, version=signed.version))
    return "\n".join([*lines, *(say.translated(printable(each)) for each in summary.notices)])


def _percent(share: Share | None, say: Words) -> str:
    """A share in percent; "" for a label that has none."""
    return _within((share.value, share.low, share.high), 1, say, times=100) if share else ""


def _within(bounds: Sequence[float | None], digits: int, say: Words, times: int = 1) -> str:
    """A value with its interval. bounds: the value, the lower and the upper bound."""
    if None in bounds:
        return "-"
    value, low, high = (say.number(times * each, digits) for each in bounds if each is not None)
    return say("{value} [{low}, {high}]", value=value, low=low, high=high)
