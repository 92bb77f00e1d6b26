"""Classify one picture: `python examples/one_picture.py PICTURE`."""

import sys

from edge.classify import classify
from edge.frames import Unreadable
from edge.model import Model

model = Model()
# A stated risk of 1 %: at most one answer in a hundred should be wrong. Less certain cells are left for review.
rules = model.rules(0.01)

for result in classify([sys.argv[1]], model, rules):
    if isinstance(result, Unreadable):
        sys.exit(f"{result.source} {result.error}")
    for cell, decision in result.cells:
        shares = ", ".join(f"{label} {share:.2f}" for label, share in decision.probabilities.items())
        print(f"cell {cell.number} at {cell.box}: {decision.label} ({shares}) {decision.reason}")
