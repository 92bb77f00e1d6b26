"""The bundle for a Raspberry Pi without internet, and the proof of it on emulated ones."""
