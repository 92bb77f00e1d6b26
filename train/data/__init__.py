"""Labelled pictures: published data sets brought into one layout, read, and cut into crops for a network."""
