package org.tfcompress.benchmark.core;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.tfcompress.modelfile.TensorInfo;

/** The values that inputs get: noise that is the same every time, or raw files. */
public final class Inputs {
  private Inputs() {}

  /**
   * Returns one array for each tensor: float[], byte[], int[], long[] or boolean[].
   *
   * @param files raw little-endian tensors in the model's order; empty for noise
   */
  public static List<Object> of(List<TensorInfo> tensors, List<String> files) throws IOException {
    if (!files.isEmpty() && files.size() != tensors.size()) {
      throw new IOException(
          "There is not one file for each input. Received: " + files.size() + " files for "
              + tensors.size() + " inputs. Pass --es inputs A,B in the model's order.");
    }
    Random random = new Random(0);
    List<Object> arrays = new ArrayList<>();
    for (int i = 0; i < tensors.size(); i++) {
      arrays.add(
          files.isEmpty() ? noise(tensors.get(i), random) : read(tensors.get(i), files.get(i)));
    }
    return arrays;
  }

  /** Returns noise in floats and small integers, 0 where it may be an index. */
  private static Object noise(TensorInfo tensor, Random random) throws IOException {
    int size = tensor.size();
    if (tensor.type.equals("float32")) {
      float[] values = new float[size];
      for (int i = 0; i < size; i++) {
        values[i] = random.nextFloat();
      }
      return values;
    }
    if (tensor.type.equals("int8") || tensor.type.equals("uint8")) {
      byte[] values = new byte[size];
      for (int i = 0; i < size; i++) {
        values[i] = (byte) random.nextInt(127);
      }
      return values;
    }
    return typed(tensor, ByteBuffer.allocate(size * itemBytes(tensor)));
  }

  private static Object read(TensorInfo tensor, String path) throws IOException {
    byte[] content = Files.readAllBytes(new File(path).toPath());
    int wanted = tensor.size() * itemBytes(tensor);
    if (content.length != wanted) {
      throw new IOException(
          "This file is not the input's size. Received: " + path + " of " + content.length
              + " bytes for " + tensor.name + " (" + tensor.type + "), which has " + wanted
              + ". Write the raw tensor.");
    }
    return typed(tensor, ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN));
  }

  private static Object typed(TensorInfo tensor, ByteBuffer content) throws IOException {
    int size = tensor.size();
    switch (tensor.type) {
      case "float32":
        float[] floats = new float[size];
        content.asFloatBuffer().get(floats);
        return floats;
      case "int32":
        int[] ints = new int[size];
        content.asIntBuffer().get(ints);
        return ints;
      case "int64":
        long[] longs = new long[size];
        content.asLongBuffer().get(longs);
        return longs;
      case "bool":
        boolean[] flags = new boolean[size];
        for (int i = 0; i < size; i++) {
          flags[i] = content.get(i) != 0;
        }
        return flags;
      default:
        byte[] bytes = new byte[size];
        content.get(bytes);
        return bytes;
    }
  }

  private static int itemBytes(TensorInfo tensor) throws IOException {
    switch (tensor.type) {
      case "float32":
      case "int32":
        return 4;
      case "int64":
        return 8;
      case "int8":
      case "uint8":
      case "bool":
        return 1;
      default:
        throw new IOException(
            "The app cannot fill this input. Received: " + tensor.name + " of type "
                + tensor.type + "; it can fill float32, int8, uint8, int32, int64 and bool."
                + " Convert the model with float or int8 inputs.");
    }
  }
}
