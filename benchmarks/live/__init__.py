"""How well a live run at the camera does: cells counted once, the age of frames, memory."""
