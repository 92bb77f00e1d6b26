"""The page of a counting session in a browser: live picture, review, reports."""
