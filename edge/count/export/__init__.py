"""What a session gives to other programs: cells by their labels, and fields with boxes in the forms of other tools."""
