"""The rooms' arrows point one way, and the Pi's room stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

MAY_IMPORT = {
    "edge": {"edge"},
    "train": {"edge", "train"},
    "convert": {"edge", "train", "convert"},
    "benchmarks": {"edge", "train", "convert", "benchmarks"},
}


def imports(file: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_arrows(room: str) -> None:
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for file in files:
        assert imports(file) & set(MAY_IMPORT) <= MAY_IMPORT[room], file


def test_a_run_imports_nothing_heavy() -> None:
    """Not even OpenCV, where whole pictures are read, and nothing of cameras."""
    picture = ROOT / "docs" / "drawn-monocyte-3.annotated.jpg"
    code = (
        f"import sys; sys.argv = ['edge-classify', '--whole-image', {str(picture)!r}]\n"
        "from edge.cli import main\n"
        "try: main()\n"
        "except SystemExit as e: assert not e.code\n"
        "rooms = ('edge.camera', 'edge.live', 'edge.site', 'edge.doctor', 'edge.simulator')\n"
        "heavy = {'tensorflow', 'keras', 'matplotlib', 'sklearn', 'scipy', 'cv2'} & set(sys.modules)\n"
        "heavy |= {name for name in sys.modules if name.startswith(rooms)}\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
