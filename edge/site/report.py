"""The findings of `edge-site` in words."""

from collections.abc import Sequence

from edge.output.tables import Table
from edge.site.check import Judgement, Statistics
from edge.site.figures import LeftOut
from edge.site.profile import Event


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
    pairs = {
        "balanced accuracy": (found.before.balanced_accuracy, found.after.balanced_accuracy),
        "mean recall of all labels": (found.before.mean_recall, found.after.mean_recall),
        "lymphocytes and monocytes answered": (found.before.coverage, found.after.coverage),
        "wrong answers among them": (found.before.risk, found.after.risk),
        "other cells taken for one of the two": (found.before.other_named, found.after.other_named),
    }
    rows = [[name, *map(_text, pair)] for name, pair in pairs.items() if pair != (None, None)]
    table = Table(["left-out cells", "model alone", "with profile"], rows).text()
    change = f"{'falls' if found.gain > 0 else 'rises'} by {abs(found.gain):.3f}"
    return f"{table}\nThe mean log loss {change} (standard error {found.standard_error:.3f})."


def history(events: Sequence[Event]) -> str:
    """A table of what was learned and checked, a line each."""
    rows = [
        [
            each.day,
            each.what,
            each.model[:12],
            ", ".join(f"{count} {label}" for label, count in each.cells.items()),
            *map(_text, (each.figures.balanced_accuracy, each.figures.coverage, each.figures.risk)),
        ]
        for each in events
    ]
    return Table(["day", "", "model", "cells", "balanced accuracy", "answered", "wrong of these"], rows).text()


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
