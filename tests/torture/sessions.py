"""Damaged session files: a sentence, or what is still whole; never a traceback."""

import sys
from pathlib import Path

import numpy as np
from attempts import damaged

from edge.count import signing
from edge.count.journal import Journal
from edge.count.listing import listing
from edge.count.report.content import content
from edge.count.report.document import write
from edge.count.review import Review
from edge.count.verdicts import Verdict
from edge.errors import UserError

sys.path.append(str(Path(__file__).parents[1] / "edge" / "count"))
from count_helpers import fill, new_session

COUNT, SECONDS = 1000, 5


def attempt(random: np.random.Generator, folder: Path) -> str | None:
    with new_session(folder) as journal:
        fill(journal, ["review", "lymphocyte", "monocyte"] * 4)
        Review(journal, "Ada").judge([1, 4, 7, 10], Verdict("monocyte"))
        if random.random() < 0.5:
            signing.sign(journal, "Ada")
        path = Path(journal.path)
    before = path.read_bytes()
    after = damaged(before, random)
    if random.random() < 0.3:  # a bad sector
        place = int(random.integers(0, len(before) // 512)) * 512
        after = before[:place] + random.bytes(512) + before[place + 512 :]
    path.write_bytes(after)
    try:
        listing(folder)
        with Journal.open(path) as opened:
            signed, altered = signing.signature(opened), signing.altered_pictures(opened)
            about = content(opened)
            write(about, folder / "a.json")
            unseen = signed and signed.intact and not altered and after != before
            if unseen and about.summary.counts != {"lymphocyte": 4, "monocyte": 8}:
                return "the counts changed, and the signature still fits"
    except UserError:
        return None
    return None
