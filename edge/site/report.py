"""What `edge-site` found out about a site, in words."""

from edge.output.tables import Table
from edge.site.check import Judgement, Statistics
from edge.site.figures import LeftOut


def statistics(found: Statistics, which: str) -> str:
    """Some lines on cells without their labels. which: "labelled" or "unlabelled" cells."""
    distance = found.distance
    limit = "" if found.max_distance is None else f"; {found.beyond:.0%} lie beyond {found.max_distance:g}, the limit"
    reasons = f" ({_counts(found.reasons)})" if found.reasons else ""
    lines = [
        f"{found.cells} {which} cells: {_counts(found.answers)}.",
        f"  distance from the training cells: median {distance.median:g}, the middle 80 % from {distance.low:g} to "
        f"{distance.high:g} (1 is usual){limit}",
        f"  confidence: median {found.confidence:.2f}; left for review: {found.review:.0%}{reasons}",
    ]
    return "\n".join(lines + ([f"  faults of the pictures: {_counts(found.pictures)}"] if found.pictures else []))


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def judgement(found: Judgement) -> str:
    """Some lines on labelled cells; the last one is the verdict."""
    risk = "none given" if found.risk is None else f"{found.risk:.1%} of these wrong"
    other = "" if found.other_named is None else f"; {found.other_named:.1%} of other cells given a name"
    auroc = "-" if found.auroc is None else f"{found.auroc:.3f}"
    return "\n".join(
        [
            *(f"  {label} recall: {share}" for label, share in reversed(found.recall.items())),
            "  no cells with a name"
            if found.coverage is None
            else f"  answered: {found.coverage:.0%} of the cells with a name, {risk}{other}",
            f"  AUROC {auroc}, calibration error {found.calibration_error:.3f}",
            f"{found.verdict}: {found.why}. What to do: {found.advice}.",
        ]
    )


def left_out(found: LeftOut) -> str:
    """A table of the figures without and with a profile, and by how much the log loss changes."""
    pairs = {
        "balanced accuracy": (found.before.balanced_accuracy, found.after.balanced_accuracy),
        "mean recall of all labels": (found.before.mean_recall, found.after.mean_recall),
        "answered": (found.before.coverage, found.after.coverage),
        "wrong of these": (found.before.risk, found.after.risk),
        "other cells given a name": (found.before.other_named, found.after.other_named),
    }
    rows = [[name, *map(_text, pair)] for name, pair in pairs.items() if pair != (None, None)]
    table = Table(["left-out cells", "model alone", "with profile"], rows).text()
    change = f"{'falls' if found.gain > 0 else 'rises'} by {abs(found.gain):.3f}"
    return f"{table}\nThe mean log loss {change} (standard error {found.standard_error:.3f})."


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
