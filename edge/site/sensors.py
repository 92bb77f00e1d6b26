"""The width of a pixel on the slide, from what is printed on the objective and known of the camera's sensor.

Only sensors whose data sheets say so are listed. A lens of the camera's own, as on most camera modules and telephones,
changes the scale by an unknown factor: then nothing is computed, and `edge-site ruler` measures red cells instead.
"""

from edge.errors import UserError

# Width of a pixel in micrometres, and pixels along the longer side of the whole sensor.
SENSORS = {
    "ov5647": (1.4, 2592),  # Raspberry Pi Camera Module 1
    "imx219": (1.12, 3280),  # Camera Module 2
    "imx708": (1.4, 4608),  # Camera Module 3
    "imx477": (1.55, 4056),  # High Quality Camera
    "imx500": (1.55, 4056),  # AI Camera
    "imx296": (3.45, 1456),  # Global Shutter Camera
}


def binning(sensor: str, size: tuple[int, int]) -> float:
    """How many pixels of the sensor make one of the picture, in a row, if the picture shows the whole sensor.

    Args:
        sensor: a key of SENSORS.
        size: width and height of the picture, pixels.

    Raises:
        UserError: if the picture has more pixels than the sensor.
    """
    across = SENSORS[sensor][1]
    if max(size) > across:
        raise UserError(
            f"The pictures are {max(size)} pixels wide, and the {sensor} has only {across}; check --camera-sensor, or "
            "give --micrometres-per-pixel."
        )
    return across / max(size)


def micrometres_per_pixel(sensor: str, binned: float, objective: float, adapter: float = 1.0) -> float:
    """The width of a picture's pixel on the slide: pixel of the sensor * binned / (objective * adapter).

    Args:
        sensor: a key of SENSORS.
        binned: pixels of the sensor that make one of the picture, in a row.
        objective: its magnification, such as 40.
        adapter: magnification of what is between the objective and the sensor, such as 0.5.

    >>> round(micrometres_per_pixel("imx477", 2.0, 40, 0.5), 3)
    0.155
    """
    return SENSORS[sensor][0] * binned / (objective * adapter)
