"""Cameras, streams, videos and picture files, each as a Device that gives frames."""
