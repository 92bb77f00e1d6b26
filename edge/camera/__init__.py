"""Cameras, streams, videos and picture files. Each is a Device, which gives one picture after another."""
