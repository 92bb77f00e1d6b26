"""Two counts of one slide, or of two: do they differ by more than chance explains?"""

from edge.count import statistics
from edge.count.summary import Summary
from edge.count.verdicts import MONOCYTE, NAMES
from edge.share import exact
from edge.system.streams import printable


def compare(first: Summary, second: Summary) -> str:
    """Compares the shares of monocytes among the lymphocytes and monocytes of two sessions, in three lines."""
    counts = [sum(each.counts.get(label, 0) for label in NAMES) for each in (first, second)]
    shares = [exact(each.counts.get(MONOCYTE, 0), count) for each, count in zip((first, second), counts, strict=True)]
    lines = [
        f"{which} ({printable(each.name)}): monocytes {share} of the lymphocytes and monocytes"
        for which, each, share in zip(("First", "Second"), (first, second), shares, strict=True)
    ]
    if not all(counts):
        return "\n".join([*lines, "One of them has no lymphocyte and no monocyte, so they can't be compared."])
    low, high = statistics.second_count(shares[0], counts[1])
    p = statistics.differ(*shares)
    judged = "more than chance explains" if p < 0.05 else "no more than chance explains"
    lines.append(
        f"If both are of one slide, the second has {low} to {high} monocytes in 95 of 100 counts; it has "
        f"{shares[1].right}. They differ by {judged} (Fisher's exact test, p {p:.3g})."
    )
    return "\n".join(lines)
