"""Addresses of cameras are shown without passwords."""

import pytest

from edge.camera.address import is_address, shown


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("rtsp://host:554/live/1", "rtsp://host:554/live/1"),
        ("rtsp://user:secret@host:554/live", "rtsp://host:554/live"),
        ("rtsp://user:se@cr/et@host/live", "rtsp://host/live"),
        ("http://user:se?cret@host/live", "http://..."),
        ("http://user:secret#@host/live", "http://..."),
        ("rtsp://host/live?user=a&pwd=secret", "rtsp://host/live?..."),
        ("rtsp://host/live?pwd=se@cret", "rtsp://..."),
        ("rtsp://host:554/user=admin_password=secret_channel=1.sdp", "rtsp://host:554/..."),
        ("rtsp://user:secret", "rtsp://..."),
        ("RTSP:/user:secret@host/live", "rtsp://host/live"),
        ("user:secret@host/live", "host/live"),
        ("rtsp://[fe80::1]:554/live", "rtsp://[fe80::1]:554/live"),
        ("sim:seed=3", "sim:seed=3"),
        ("/data/12:30@slide.mp4", "/data/12:30@slide.mp4"),
        ("0", "0"),
    ],
)
def test_no_password_is_shown(source: str, expected: str) -> None:
    assert shown(source) == expected and "secret" not in shown(source)


def test_what_is_an_address() -> None:
    assert is_address("rtsp://host") and is_address("HTTP:/host")
    assert not is_address("sim:3") and not is_address("/dev/video0") and not is_address("a.mp4")
