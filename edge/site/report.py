"""The findings of `edge-site` in words."""

from collections.abc import Sequence

from edge.output.tables import Table
from edge.site.check import Judgement, Statistics
from edge.site.figures import LeftOut, SiteFigures
from edge.site.held import HeldOut
from edge.site.labelled import Cells
from edge.site.profile import FEWEST, Event


def statistics(found: Statistics, which: str) -> str:
    """A few lines about cells, without using their labels. which: "labelled" or "unlabelled" cells."""
    distance = found.distance
    limit = "" if found.max_distance is None else f"; {found.beyond:.0%} lie beyond {found.max_distance:g}, the limit"
    reasons = f" ({_counts(found.reasons)})" if found.reasons else ""
    lines = [
        f"{found.cells} {which} cells: {_counts(found.answers)}.",
        f"  distance from the training cells: median {distance.median:g}, the middle 80 % from {distance.low:g} to "
        f"{distance.high:g} (1 is usual){limit}",
        f"  confidence: median {found.confidence:.2f}; left for review: {found.review:.0%}{reasons}",
    ]
    return "\n".join(lines + ([f"  faulty pictures: {_counts(found.pictures)}"] if found.pictures else []))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def judgement(found: Judgement) -> str:
    """A few lines about labelled cells; the last one is the verdict."""
    risk = "no answers" if found.risk is None else f"{found.risk:.1%} of the answers wrong"
    other = "" if found.other_named is None else f"; {found.other_named:.1%} of other cells taken for one of the two"
    auroc = "-" if found.auroc is None else f"{found.auroc:.3f}"
    return "\n".join(
        [
            *(f"  {label} recall: {share}" for label, share in reversed(found.recall.items())),
            "  no lymphocytes or monocytes"
            if found.coverage is None
            else f"  answered: {found.coverage:.0%} of the lymphocytes and monocytes, {risk}{other}",
            f"  AUROC {auroc}, calibration error {found.calibration_error:.3f}",
            f"{found.verdict}: {found.why}. What to do: {found.advice}.",
        ]
    )


def left_out(found: LeftOut) -> str:
    """A table of the figures with and without a profile, and the change of the log loss."""
    table = _compared("left-out cells", found.before, found.after)
    change = f"{'falls' if found.gain > 0 else 'rises'} by {abs(found.gain):.3f}"
    return f"{table}\nThe mean log loss {change} (standard error {found.standard_error:.3f})."


def held_out(found: HeldOut | None, cells: Cells, labels: Sequence[str]) -> str:
    """The figures of held-out cells, or that there are too few. cells: the held-out ones; labels: the model's."""
    if not found:
        counts = " and ".join(
            f"{cells.count(i)} {label}{'' if cells.count(i) == 1 else 's'}" for i, label in enumerate(labels[:2])
        )
        return f"{counts} are held out so far; figures from them need at least {FEWEST} of each."
    recall = "\n".join(f"  {label} recall: {share}" for label, share in reversed(found.recall.items()))
    return f"{_compared('held-out cells', found.before, found.after)}\nWith the profile:\n{recall}"


def _compared(which: str, before: SiteFigures, after: SiteFigures) -> str:
    """A table of the figures of some cells, without and with a profile."""
    pairs = {
        "balanced accuracy": (before.balanced_accuracy, after.balanced_accuracy),
        "mean recall of all labels": (before.mean_recall, after.mean_recall),
        "lymphocytes and monocytes answered": (before.coverage, after.coverage),
        "wrong answers among them": (before.risk, after.risk),
        "other cells taken for one of the two": (before.other_named, after.other_named),
    }
    rows = [[name, *map(_text, pair)] for name, pair in pairs.items() if pair != (None, None)]
    return Table([which, "model alone", "with profile"], rows).text()


def history(events: Sequence[Event]) -> str:
    """A table of what was learned and checked, a line each, with exact 95 % intervals of the recalls."""
    labels = list(dict.fromkeys(label for each in events for label in (each.recall or {})))
    rows = [
        [
            each.day,
            each.what,
            each.model[:12],
            ", ".join(f"{count} {label}" for label, count in each.cells.items()),
            "these" if each.what == "check" else "held-out" if each.held else "left-out",
            *map(_text, (each.figures.balanced_accuracy, each.figures.coverage, each.figures.risk)),
            *(str((each.recall or {}).get(label, "-")) for label in labels),
        ]
        for each in events
    ]
    heads = ["day", "", "model", "cells", "tested on", "balanced accuracy", "answered", "wrong of these"]
    return Table([*heads, *(f"{label} recall" for label in labels)], rows).text()


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
