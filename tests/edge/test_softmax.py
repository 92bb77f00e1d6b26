"""The last step of an int8 classifier, against the runtime's own."""

from pathlib import Path

import numpy as np

from edge import locate, model


def test_it_is_the_graphs_own_answer(tiny_model: Path) -> None:
    """On x86-64 to the byte; elsewhere LiteRT's differs by a level, which is why there is this one."""
    opened, rng = model.Model(tiny_model), np.random.default_rng(0)
    assert opened._softmax is not None
    seen = set()
    for _ in range(200):
        low, high = sorted(rng.integers(0, 257, 2))
        shade = rng.integers(low, max(high, low + 1), (1, 1, 3))
        mine = opened.raw((shade + rng.integers(-9, 10, (opened.size,) * 2 + (3,))).clip(0, 255).astype(np.uint8))
        theirs = opened._interpreter.get_tensor(opened._output["index"])[0]
        assert mine.dtype == theirs.dtype and np.abs(mine.astype(int) - theirs).max() <= 1
        seen.add(int(mine[0]))
    assert len(seen) > 3


def test_the_shipped_model_has_it_and_others_go_without() -> None:
    assert model.Model()._softmax is not None
    assert model.Model(model.SHIPPED.with_name("compact-float32.tflite"))._softmax is None
    assert locate.Locator()._softmax is None
