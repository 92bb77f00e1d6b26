"""A run at the camera: frames in, each cell counted once."""
