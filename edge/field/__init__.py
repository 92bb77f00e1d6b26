"""Which part of a picture is the field, and how a wide field is cut into tiles."""
