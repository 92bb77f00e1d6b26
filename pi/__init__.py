"""The bundle for a Raspberry Pi without internet, and the proof on emulated Pis that it works."""
