"""Trains the networks, on a workstation."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before its import; otherwise TensorFlow logs CPU flags
