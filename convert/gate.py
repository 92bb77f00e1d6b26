"""The proof: the file through the runner itself, against the float model, on the same pictures."""

from collections.abc import Sequence

import numpy as np

from edge.model import Model


def answers(model: Model, crops: np.ndarray) -> np.ndarray:
    """uint8 [n, size, size, 3] through the runner -> probabilities float32 [n, labels]."""
    return np.stack([model.run(crop) for crop in crops])


def comparison(rows: dict[str, dict], sources: Sequence[str] = ("all",)) -> str:
    """{name: by_source() figures} -> lines of text, a line a model and source."""
    lines = [f"{'':24}{'monocyte recall':>16}{'lymphocyte recall':>18}{'balanced accuracy':>18}"]
    for name, figures in rows.items():
        for source in sources:
            f = figures[source]
            recalls = [f["classes"][label]["recall"]["value"] for label in ("monocyte", "lymphocyte")]
            lines.append(f"{name + ', ' + source:24}{recalls[0]:16.4f}{recalls[1]:18.4f}{f['balanced_accuracy']:18.4f}")
    return "\n".join(lines)
