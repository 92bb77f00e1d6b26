"""Float Keras model -> one self-describing .tflite file, with the figures that show what quantization cost."""
