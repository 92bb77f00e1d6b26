"""What runs on the Pi: pictures in, answers out. Never imports TensorFlow."""

from datetime import date

__version__ = "0.1.0"
RELEASED = date(2026, 11, 23)  # edge-doctor reports a clock that shows an earlier date
