"""Files on disk: which of them are pictures, and what their bytes, pages, bits and colours mean."""
