"""A drawn slide under a simulated microscope, for demos and tests where no real picture may go."""
