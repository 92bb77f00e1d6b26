"""What `--camera` may name, and the one-sentence error where there is no such source."""

import pytest

from edge.camera.source import opener
from edge.errors import UserError


@pytest.mark.parametrize("source", ["9", "/dev/video9", "rtsp://127.0.0.1:1/a", "missing.mp4", "none*.png", "picamera"])
def test_a_missing_source_is_reported_in_one_sentence(source: str) -> None:
    with pytest.raises(UserError) as error:
        opener(source)()
    assert error.value.message.endswith(".") and "\n" not in error.value.message


def test_the_error_for_a_missing_camera_lists_the_cameras_of_this_machine() -> None:
    with pytest.raises(UserError, match="There is no camera /dev/video9; cameras on this machine: "):
        opener("9")()


def test_a_device_that_is_no_camera() -> None:
    with pytest.raises(UserError, match="/dev/null gives no pictures"):
        opener("/dev/null")()


def test_no_password_is_shown() -> None:
    with pytest.raises(UserError) as error:
        opener("http://user:secret@127.0.0.1:1/a")()
    assert "secret" not in error.value.message
