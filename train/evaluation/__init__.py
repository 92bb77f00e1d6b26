"""How good is a trained network, and what mistakes does it make?"""
