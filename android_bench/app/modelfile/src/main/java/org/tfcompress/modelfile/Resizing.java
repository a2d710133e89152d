package org.tfcompress.modelfile;

/**
 * Bilinear resizing with antialiasing, as the toolkit's training data were resized.
 *
 * <p>Each new pixel is a weighted mean of old ones around its centre {@code (i + 0.5) * ratio};
 * the weights fall linearly to 0 at a distance of {@code max(1, ratio)} old pixels. Android's own
 * {@code Bitmap.createScaledBitmap} leaves pixels out when it shrinks, which is a different input.
 *
 * <p>Source: the triangle filter of TensorFlow's {@code tf.image.resize(antialias=True)}.
 */
final class Resizing {
  private Resizing() {}

  static float[] columns(float[] old, int height, int width, int channels, int newWidth) {
    float[] changed = new float[height * newWidth * channels];
    for (int column = 0; column < newWidth; column++) {
      Window window = new Window(column, width, newWidth);
      for (int row = 0; row < height; row++) {
        for (int channel = 0; channel < channels; channel++) {
          int first = (row * width + window.first) * channels + channel;
          changed[(row * newWidth + column) * channels + channel] =
              window.mean(old, first, channels);
        }
      }
    }
    return changed;
  }

  static float[] rows(float[] old, int height, int width, int channels, int newHeight) {
    int stride = width * channels;
    float[] changed = new float[newHeight * stride];
    for (int row = 0; row < newHeight; row++) {
      Window window = new Window(row, height, newHeight);
      for (int i = 0; i < stride; i++) {
        changed[row * stride + i] = window.mean(old, window.first * stride + i, stride);
      }
    }
    return changed;
  }

  /** The old pixels along one axis that make a new one, and their weights. */
  private static final class Window {
    final int first;
    final float[] weights;

    Window(int index, int length, int newLength) {
      float ratio = (float) length / newLength;
      float radius = Math.max(1f, ratio);
      float centre = (index + 0.5f) * ratio;
      first = Math.max(0, (int) Math.ceil(centre - radius - 0.5f));
      int last = Math.min(length - 1, (int) Math.floor(centre + radius - 0.5f));
      weights = new float[last - first + 1];
      float total = 0;
      for (int i = 0; i < weights.length; i++) {
        weights[i] = Math.max(0, 1 - Math.abs(first + i + 0.5f - centre) / radius);
        total += weights[i];
      }
      for (int i = 0; i < weights.length; i++) {
        weights[i] /= total;
      }
    }

    float mean(float[] values, int at, int stride) {
      float sum = 0;
      for (int i = 0; i < weights.length; i++) {
        sum += weights[i] * values[at + i * stride];
      }
      return sum;
    }
  }
}
