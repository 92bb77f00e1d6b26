"""Draw the answers on a picture: `python examples/draw_answer.py PICTURE OUT.png`."""

import sys

from edge.classify import Search, classify
from edge.frames import Unreadable
from edge.model import Model
from edge.output.annotate import annotate

picture, out = sys.argv[1:]
model = Model()

# keep_whole: keeps the whole picture in memory, because the answers are drawn on it.
for result in classify([picture], model, model.rules(0.01), Search(keep_whole=True)):
    if isinstance(result, Unreadable):
        sys.exit(f"{result.source} {result.error}")
    annotate(result).save(out)
    print(f"{len(result.cells)} cells are drawn in {out}")
