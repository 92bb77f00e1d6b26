"""Picture files as a camera."""

from pathlib import Path

from camera_helpers import COLOURS, all_of, picture
from PIL import Image

from edge.camera.reader import Camera
from edge.camera.source import opener


def test_each_picture_of_a_folder_is_given_once_and_broken_ones_are_left_out(tmp_path: Path) -> None:
    for i in range(4):
        Image.fromarray(picture(i)).save(tmp_path / f"{i}.png")
    (tmp_path / "2.png").write_text("broken")
    camera = Camera(opener(str(tmp_path)), "folder")
    images = all_of(camera)
    assert camera.unrelated_frames and [image[40, 50].tolist() for image in images] == [
        list(COLOURS[i]) for i in (0, 1, 0)
    ]
    assert camera.broken == 1
