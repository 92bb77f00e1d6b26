"""What is found out about a site, in words."""

from typing import Any

from edge.site.adapt import Adapted


def statistics(found: dict[str, Any], which: str) -> str:
    """Of edge.site.check.statistics()."""
    low, middle, high = found["distance"].values()
    limit = "" if found["limit"] is None else f"; {found['far']:.0%} are beyond {found['limit']:g}"
    reasons = f" ({_counts(found['reasons'])})" if found["reasons"] else ""
    lines = [
        f"{found['cells']} {which} cells: {_counts(found['answers'])}.",
        f"  from training: {low:g} to {high:g} in the middle 80 %, median {middle:g} (1 is usual){limit}",
        f"  how sure: {found['sure']:.2f} (median); for review: {found['review']:.0%}{reasons}",
    ]
    return "\n".join(lines + ([f"  pictures: {_counts(found['pictures'])}"] if found["pictures"] else []))


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in found.items())


def judged(found: dict[str, Any]) -> str:
    """Of edge.site.check.judged()."""
    lines = [
        f"  {label} recall: {r['value']:.3f} [{r['low']:.3f}, {r['high']:.3f}] {r['right']}/{r['count']}"
        for label, r in reversed(found["recall"].items())
    ]
    wrong = "none given" if found["wrong"] is None else f"{found['wrong']:.1%} of these wrong"
    named = "" if found["named"] is None else f"; {found['named']:.1%} of the others given a name"
    auroc = "-" if found["auroc"] is None else f"{found['auroc']:.3f}"
    lines += [
        f"  answered: {found['given']:.0%}, {wrong}{named}" if found["given"] is not None else "  no cells with a name",
        f"  AUROC {auroc}, calibration error {found['ece']:.3f}",
        f"{found['verdict']}: {found['why']}: {found['do']}.",
    ]
    return "\n".join(lines)


def adapted(found: Adapted) -> str:
    """Of edge.site.adapt.adapt()."""
    lines = [f"{'left-out cells':30}{'alone':>8}{'adapted':>9}"]
    for name, text in (
        ("balanced_accuracy", "balanced accuracy"),
        ("labels", "mean recall of all labels"),
        ("given", "answered"),
        ("wrong", "wrong of these"),
        ("named", "others given a name"),
    ):
        if found.before[name] is not None or found.after[name] is not None:
            lines.append(f"{text:30}{_value(found.before[name]):>8}{_value(found.after[name]):>9}")
    gain, doubt = found.gain
    lines.append(f"log loss {'less' if gain > 0 else 'more'} by {abs(gain):.3f} (standard error {doubt:.3f})")
    return "\n".join(lines)


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
