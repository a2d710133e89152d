package org.tfcompress.modelfile;

import java.util.Arrays;

/** An input or output of a file: its name, shape, type and, for integers, its scale. */
public final class TensorInfo {
  private static final String[] TYPES = {
    "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64",
    "int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4",
  };

  /** The signature's name, by which the runtime knows the tensor. */
  public final String name;

  /** Such as {@code "int8"}. */
  public final String type;

  /** 0 where the size is free: treat it as 1. */
  public final float scale;

  public final int zeroPoint;
  private final int[] shape;

  /** Makes a float or plain integer tensor, for code that has no file. */
  public static TensorInfo of(String name, String type, int... shape) {
    int code = Arrays.asList(TYPES).indexOf(type);
    return new TensorInfo(name, code, shape.clone(), 0, 0);
  }

  TensorInfo(String name, int typeCode, int[] shape, float scale, int zeroPoint) {
    this.name = name;
    this.type = typeCode >= 0 && typeCode < TYPES.length ? TYPES[typeCode] : "type " + typeCode;
    this.shape = shape;
    this.scale = scale;
    this.zeroPoint = zeroPoint;
  }

  /** Returns the shape, such as [1, 28, 28, 1]. */
  public int[] shape() {
    return shape.clone();
  }

  /** Returns how many values the tensor has. */
  public int size() {
    long size = 1;
    for (int length : shape) {
      size *= length;
    }
    if (size < 0 || size > Integer.MAX_VALUE) {
      throw new IllegalStateException(
          "This tensor is too large. Received: " + name + " of " + size
              + " values. Convert the model with a smaller input.");
    }
    return (int) size;
  }

  /** Tells whether the tensor holds scaled integers. */
  public boolean isQuantized() {
    return scale != 0 && (type.equals("int8") || type.equals("uint8"));
  }

  /**
   * Rounds floats to the tensor's integers and clips them to its range.
   *
   * <pre>q = round(x / scale) + zeroPoint</pre>
   *
   * @return the bytes to write; those of a uint8 tensor are to be read as unsigned
   */
  public byte[] quantize(float[] values) {
    int lowest = type.equals("uint8") ? 0 : Byte.MIN_VALUE;
    int highest = type.equals("uint8") ? 255 : Byte.MAX_VALUE;
    byte[] steps = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      double step = Math.rint(values[i] / scale) + zeroPoint;
      steps[i] = (byte) Math.max(lowest, Math.min(highest, step));
    }
    return steps;
  }

  /** Turns the tensor's integers back to floats. */
  public float[] dequantize(byte[] steps) {
    float[] values = new float[steps.length];
    for (int i = 0; i < steps.length; i++) {
      int step = type.equals("uint8") ? steps[i] & 0xff : steps[i];
      values[i] = scale * (step - zeroPoint);
    }
    return values;
  }
}
