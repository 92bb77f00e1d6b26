"""An archive of 2,000 pictures on a cluster of which parts are killed: none is lost, and none is there twice."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("ray", reason="needs the extra archive")

from benchmarks import archive
from edge.simulator import drawing


def test_the_speed_is_what_the_log_says(tmp_path: Path) -> None:
    lines = [
        {"at": 10.0, "process": "a", "first_look": True, "pictures": 99, "seconds": 9, "memory": 0, "memory_here": 0},
        *(
            {"at": 12.0 + at, "process": process, "first_look": False, "pictures": 20, "seconds": seconds}
            | {"memory": 2**20 * (100 + at), "memory_here": 2**20 * 50}
            for at, process, seconds in [(0, "a", 2), (1, "b", 2), (2, "a", 2), (4, "b", 2), (6, "a", 2)]
        ),
    ]
    log = tmp_path / "processes.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"at": 1')
    found = archive.speed(log)
    assert (found.pictures, found.rate, found.own) == (100, 100 / 8, 20)
    assert found.memory == {"a": (100, 106), "b": (101, 104), "edge-archive": (50, 50)}


@pytest.mark.slow
def test_nothing_is_lost_and_nothing_twice_on_a_cluster_that_is_killed(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for number in range(8):
        Image.fromarray(drawing.field(rng, 2)[0]).save(tmp_path / f"{number}.jpg", quality=90)
    found = archive.archive(sorted(map(str, tmp_path.glob("*.jpg"))), 2000)
    assert [what for what, _ in found.kills] == ["worker", "node", "worker", "command"]
    assert (found.lost, found.twice, found.left) == (0, 0, 0)
    assert found.same == {"cluster": True, "with kills": True}
    assert found.speed["cluster"].pictures == 1000
    for first, last in found.speed["cluster"].memory.values():
        assert last < 1.3 * first + 20, found.speed  # megabytes
    assert "0 lost, 0 twice" in archive.table(found)
