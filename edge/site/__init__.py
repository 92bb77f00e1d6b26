"""One microscope with its stain and camera: is the model fit for it, and what do a few labelled cells teach?"""
