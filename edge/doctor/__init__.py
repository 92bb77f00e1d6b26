"""`edge-doctor`: can this machine run edge-classify, and what should be done about each problem?"""
