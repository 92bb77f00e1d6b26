"""Classify a picture with your own model: `python examples/own_model.py MODEL.tflite PICTURE`.

`convert --int8 mine.keras --data pictures --labels cat,dog` makes such a file. Its contract says how a
crop is made for it.
"""

import sys

from edge.classify import Search, crops, find
from edge.frames import load
from edge.locate import Locator
from edge.model import Model

model = Model(sys.argv[1])
frame = load(sys.argv[2])

# A model that was trained on whole pictures needs no locator.
locator = None if model.policy == "whole-image" else Locator()
found = find(frame, model.policy, locator, Search(single=True))

for cell in found.cells:
    crop = crops(model, frame, cell)[0]  # uint8 [size, size, 3], the network's input
    for label, share in zip(model.labels, model.probabilities(crop), strict=True):
        print(f"{label:12} {share:.3f}")
