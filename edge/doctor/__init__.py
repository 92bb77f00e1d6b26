"""`edge-doctor`: can this machine run edge-classify, and what to do about each finding?"""
