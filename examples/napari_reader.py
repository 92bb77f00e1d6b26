"""Read what `edge-classify --geojson DIR` writes into napari: `python examples/napari_reader.py DIR/NAME.geojson`.

It shows the picture with an ellipse and the answer at each cell; without napari, it prints what it would show.
`get_reader` has the form of npe2, so that a plugin of your own can offer it for files that are dropped into napari:

    contributions:
      commands: [{id: NAME.read, title: Read cells, python_name: "napari_reader:get_reader"}]
      readers: [{command: NAME.read, filename_patterns: ["*.geojson"]}]
"""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge.frames import load

Layers = list[tuple[Any, dict[str, Any], str]]


def get_reader(path: str | list[str]) -> Callable[[str], Layers] | None:
    """What reads a file; None for one of another kind."""
    return read if isinstance(path, str) and path.endswith(".geojson") else None


def read(path: str) -> Layers:
    """The layers for a file: the picture, and the cells with their answers and probabilities."""
    document = json.loads(Path(path).read_text(encoding="utf-8"))
    # `edge-count export --geojson` writes the picture beside the file.
    picture = load(document["picture"].get("source") or str(Path(path).with_suffix(".jpg")))
    boxes, features, colours = [], [], []
    for each in document["features"]:
        ring, about = np.array(each["geometry"]["coordinates"][0])[:, ::-1], each["properties"]  # rows, columns
        (top, left), (bottom, right) = ring.min(axis=0), ring.max(axis=0)
        boxes.append([(top, left), (top, right), (bottom, right), (bottom, left)])
        features.append({"answer": about["classification"]["name"], **about["measurements"]})
        colours.append([value / 255 for value in about["classification"]["color"]])
    columns = {name: [each.get(name) for each in features] for name in (features[0] if features else ())}
    look = {"edge_color": colours, "face_color": "transparent", "text": {"string": "{answer}", "color": "black"}}
    cells = {"name": "cells", "shape_type": "ellipse", "features": columns, **look}
    return [(picture.image, {"name": Path(path).stem}, "image"), (boxes, cells, "shapes")]


if __name__ == "__main__":
    layers = read(sys.argv[1])
    if importlib.util.find_spec("napari"):
        import napari  # type: ignore[import-not-found]

        viewer = napari.Viewer()
        for layer in layers:
            viewer.add_layer(napari.layers.Layer.create(*layer))
        napari.run()
    else:
        print([(kind, len(data), options.get("features", {}).get("answer")) for data, options, kind in layers])
