"""Benchmark .tflite files; needs no TensorFlow."""
