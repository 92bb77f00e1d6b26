"""A run at the camera: it follows the stage, counts each cell once, and shows the answers while it runs."""
