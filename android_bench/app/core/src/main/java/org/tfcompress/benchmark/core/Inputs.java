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
    return Tensors.typed(tensor, ByteBuffer.allocate(size * Tensors.itemBytes(tensor)));
  }

  private static Object read(TensorInfo tensor, String path) throws IOException {
    byte[] content = Files.readAllBytes(new File(path).toPath());
    int wanted = tensor.size() * Tensors.itemBytes(tensor);
    if (content.length != wanted) {
      throw new IOException(
          "This file is not the input's size. Received: " + path + " of " + content.length
              + " bytes for " + tensor.name + " (" + tensor.type + "), which has " + wanted
              + ". Write the raw tensor.");
    }
    return Tensors.typed(tensor, ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN));
  }
}
