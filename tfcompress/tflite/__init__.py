"""Package tflite."""
