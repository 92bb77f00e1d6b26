"""Counting sessions: a slide is counted with a person who can correct every answer."""
