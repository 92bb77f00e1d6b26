"""Classify a folder of pictures into a pandas data frame: `python examples/folder_to_data_frame.py FOLDER [OUT]`.

A row is a cell, a picture without one, or a picture that can't be read. OUT is a file in Parquet's form. Without pandas
(`pip install pandas pyarrow`) the same columns are printed as CSV.
"""

import csv
import importlib.util
import sys

from edge.classify import classify
from edge.frames import expand
from edge.model import Model
from edge.output.sinks import flat, rows

model = Model()
# All pictures in one call, so that their red cells are measured together.
results = classify(expand([sys.argv[1]]), model, model.rules(0.01))
table = [flat(row) for result in results for row in rows(result, model.sha256)]

if importlib.util.find_spec("pandas"):
    import pandas  # type: ignore[import-untyped]

    frame = pandas.DataFrame(table)
    print(frame.to_string())
    print(frame.filter(["label"]).value_counts())
    if len(sys.argv) > 2:
        frame.to_parquet(sys.argv[2])
else:
    writer = csv.DictWriter(sys.stdout, list(dict.fromkeys(name for row in table for name in row)))
    writer.writeheader()
    writer.writerows(table)
