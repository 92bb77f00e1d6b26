"""Checks a model on one microscope with its stain and camera, and adapts it with a few labelled cells.

In these modules the two *names* are the model's first two labels, lymphocyte and monocyte. A cell with a name is one of
the two. A *physical cell* is a cell on the slide, of which there may be several pictures.
"""
