"""How good is a trained network, and where does it err?"""
