"""A drawn slide under a simulated microscope, for demos and tests, which use no real pictures of patients' cells."""
