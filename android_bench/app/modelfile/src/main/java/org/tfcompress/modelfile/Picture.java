package org.tfcompress.modelfile;

/** Pixels from 0 to 255 in the order [row, column, channel]; 1 channel is grey, 3 are RGB. */
public final class Picture {
  public final int height;
  public final int width;
  public final int channels;

  /** False once values lie between the 256 steps. */
  final boolean eightBit;

  final float[] values;

  private Picture(int height, int width, int channels, float[] values, boolean eightBit) {
    if (values.length != height * width * channels || values.length == 0) {
      throw new IllegalArgumentException(
          "These pixels do not make a picture. Received: " + values.length + " values for "
              + height + " x " + width + " pixels of " + channels
              + " channels. Pass height * width * channels values.");
    }
    this.height = height;
    this.width = width;
    this.channels = channels;
    this.values = values;
    this.eightBit = eightBit;
  }

  /** Makes a picture of bytes, which are taken as unsigned. */
  public static Picture ofBytes(int height, int width, int channels, byte[] pixels) {
    float[] values = new float[pixels.length];
    for (int i = 0; i < pixels.length; i++) {
      values[i] = pixels[i] & 0xff;
    }
    return new Picture(height, width, channels, values, true);
  }

  /** Makes a colour picture of packed pixels, as Android's {@code Bitmap.getPixels} gives. */
  public static Picture ofArgb(int height, int width, int[] pixels) {
    float[] values = new float[3 * pixels.length];
    for (int i = 0; i < pixels.length; i++) {
      values[3 * i] = pixels[i] >> 16 & 0xff;
      values[3 * i + 1] = pixels[i] >> 8 & 0xff;
      values[3 * i + 2] = pixels[i] & 0xff;
    }
    return new Picture(height, width, 3, values, true);
  }

  /** Returns the same scene in another size; see {@link Resizing}. */
  Picture resized(int newHeight, int newWidth) {
    if (newHeight == height && newWidth == width) {
      return this;
    }
    float[] narrow = Resizing.columns(values, height, width, channels, newWidth);
    float[] small = Resizing.rows(narrow, height, newWidth, channels, newHeight);
    return new Picture(newHeight, newWidth, channels, small, false);
  }

  /** Returns the same scene in 1 or 3 channels, as the toolkit makes them. */
  Picture withChannels(int wanted) {
    if (wanted == channels) {
      return this;
    }
    float[] changed = new float[height * width * wanted];
    for (int i = 0; i < height * width; i++) {
      if (wanted == 1) {
        changed[i] = grey(values[3 * i], values[3 * i + 1], values[3 * i + 2]);
      } else {
        changed[3 * i] = changed[3 * i + 1] = changed[3 * i + 2] = values[i];
      }
    }
    return new Picture(height, width, wanted, changed, eightBit);
  }

  private float grey(float red, float green, float blue) {
    float grey = 0.2989f * red + 0.5870f * green + 0.1140f * blue;
    // TensorFlow keeps 8-bit pixels in 8 bits: it scales by 255.5 / 255 and cuts off.
    return eightBit ? (float) Math.floor(grey / 255f * 255.5f) : grey;
  }
}
