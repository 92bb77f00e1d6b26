"""Converts a float Keras model to one self-describing .tflite file, and measures what quantization costs."""
