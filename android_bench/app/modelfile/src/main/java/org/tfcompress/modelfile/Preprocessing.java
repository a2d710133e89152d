package org.tfcompress.modelfile;

import java.util.List;
import java.util.Map;

/**
 * How a picture becomes what the model reads, as the file's note tells it.
 *
 * <pre>size, channels, then  x * scale - mean, divided by std</pre>
 *
 * The arithmetic is that of the toolkit's training data, in 32-bit floats and in the same order.
 */
public final class Preprocessing {
  private final int[] imageSize; // height, width; empty: as is
  private final int channels; // 0: as they come
  private final float scale;
  private final float[] mean;
  private final float[] std;

  private Preprocessing(int[] imageSize, int channels, float scale, float[] mean, float[] std) {
    this.imageSize = imageSize;
    this.channels = channels;
    this.scale = scale;
    this.mean = mean;
    this.std = std;
  }

  /**
   * Reads the note's part.
   *
   * @throws ModelFileException if there is none, or it names a Python function
   */
  static Preprocessing of(Object note) throws ModelFileException {
    if (!(note instanceof Map)) {
      throw new ModelFileException(
          "This file does not say how to prepare its input. Received: preprocessing=" + note
              + ". Convert the model with metadata={\"preprocessing\": ...}, or with `tfcompress"
              + " convert --data`.");
    }
    Map<?, ?> values = (Map<?, ?>) note;
    if (values.get("function") != null) {
      throw new ModelFileException(
          "This file's input is prepared by a Python function. Received: function="
              + values.get("function") + ". Write it again in Java, or train with --preprocess"
              + " \"scale=..., mean=..., std=...\".");
    }
    float[] size = floats(values.get("image_size"));
    float[] scale = floats(values.get("scale"));
    return new Preprocessing(
        size.length == 2 ? new int[] {(int) size[0], (int) size[1]} : new int[0],
        values.get("channels") == null ? 0 : (int) floats(values.get("channels"))[0],
        scale.length == 1 ? scale[0] : 1f,
        floats(values.get("mean")),
        floats(values.get("std")));
  }

  /** Returns the model's input [height, width, channels] for a picture. */
  public float[] apply(Picture picture) {
    Picture sized = imageSize.length == 0 ? picture : picture.resized(imageSize[0], imageSize[1]);
    Picture fitted = channels == 0 ? sized : sized.withChannels(channels);
    float[] values = fitted.values.clone();
    for (int i = 0; i < values.length; i++) {
      int channel = i % fitted.channels;
      values[i] *= scale;
      values[i] -= mean.length == 0 ? 0 : mean[channel % mean.length];
      values[i] /= std.length == 0 ? 1 : std[channel % std.length];
    }
    return values;
  }

  private static float[] floats(Object value) {
    if (value instanceof Number) {
      return new float[] {((Number) value).floatValue()};
    }
    List<?> items = value instanceof List ? (List<?>) value : java.util.Collections.emptyList();
    float[] numbers = new float[items.size()];
    for (int i = 0; i < numbers.length; i++) {
      numbers[i] = ((Number) items.get(i)).floatValue();
    }
    return numbers;
  }
}
