"""Classify a folder of pictures into a pandas data frame: `python examples/folder_to_data_frame.py FOLDER`.

Without pandas (`pip install pandas`) it prints the same columns as CSV.
"""

import csv
import importlib.util
import sys
from typing import Any

from edge.classify import classify
from edge.frames import Unreadable, expand
from edge.model import Model

model = Model()
rules = model.rules(0.01)
rows: list[dict[str, Any]] = []

# All pictures in one call, so that their red cells are measured together.
for result in classify(expand([sys.argv[1]]), model, rules):
    if isinstance(result, Unreadable):
        print(f"{result.source} {result.error}", file=sys.stderr)
        continue
    for cell, decision in result.cells:
        row = {"picture": result.picture.source, "cell": cell.number, "answer": decision.label}
        rows.append(row | decision.probabilities | {"reason": decision.reason})

if importlib.util.find_spec("pandas"):
    import pandas  # type: ignore[import-untyped]

    frame = pandas.DataFrame(rows)
    print(frame.to_string())
    print(frame["answer"].value_counts())
elif rows:
    table = csv.DictWriter(sys.stdout, rows[0])
    table.writeheader()
    table.writerows(rows)
