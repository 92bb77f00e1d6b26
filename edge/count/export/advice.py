"""When a session holds enough verdicts to learn from, and the command that does."""

import shlex
from collections import Counter
from pathlib import Path

from edge.count.outcome import Outcome
from edge.count.verdicts import NAMES

# Cells of each name. With 5, a profile was better in 22 of 120 draws, with 10 in 65; see docs/figures/answers.md.
ENOUGH = 10


def advice(path: str, found: Outcome) -> str:
    """The command that makes a profile from a session; "" while persons judged fewer than ENOUGH cells of each name.

    path: of the session; only its name is shown.
    """
    counts = Counter(each.label for each in found.by_persons)
    if min(counts[name] for name in NAMES) < ENOUGH:
        return ""
    return f"edge-site adapt --from {shlex.quote(Path(path).name)} --out my-site.json"
