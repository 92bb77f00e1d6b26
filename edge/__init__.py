"""What runs on the Pi: pictures in, answers out. Never imports TensorFlow."""

__version__ = "0.1.0"
