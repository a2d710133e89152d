package org.tfcompress.benchmark.core;

import java.io.File;
import java.io.IOException;
import java.lang.reflect.Array;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import org.tfcompress.modelfile.TensorInfo;

/**
 * Tensors as Java arrays: float[], byte[] (int8 and uint8), int[], long[] or boolean[].
 *
 * <p>On disk they are raw and little-endian, as NumPy's {@code tofile} writes them.
 */
final class Tensors {
  private Tensors() {}

  static int itemBytes(TensorInfo tensor) throws IOException {
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

  /** Returns the array of a raw tensor, which has the right size. */
  static Object typed(TensorInfo tensor, ByteBuffer content) {
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

  /** Writes each array to its own file, and returns their names. */
  static List<String> write(List<Object> arrays, File folder) throws IOException {
    Files.createDirectories(folder.toPath());
    List<String> names = new ArrayList<>();
    for (int i = 0; i < arrays.size(); i++) {
      String name = "output_" + i + ".bin";
      Files.write(new File(folder, name).toPath(), raw(arrays.get(i)));
      names.add(name);
    }
    return names;
  }

  /** Returns arrays as floats, those of scaled integers as what they stand for. */
  static List<float[]> floats(List<TensorInfo> tensors, List<Object> arrays) {
    List<float[]> list = new ArrayList<>();
    for (int i = 0; i < arrays.size(); i++) {
      TensorInfo tensor = tensors.get(i);
      Object array = arrays.get(i);
      list.add(
          array instanceof byte[] && tensor.isQuantized()
              ? tensor.dequantize((byte[]) array) : plain(array));
    }
    return list;
  }

  private static float[] plain(Object array) {
    if (array instanceof float[]) {
      return (float[]) array;
    }
    int size = Array.getLength(array);
    float[] values = new float[size];
    for (int i = 0; i < size; i++) {
      values[i] =
          array instanceof boolean[]
              ? (((boolean[]) array)[i] ? 1 : 0)
              : ((Number) Array.get(array, i)).floatValue();
    }
    return values;
  }

  private static byte[] raw(Object array) {
    int size = Array.getLength(array);
    boolean wide = array instanceof float[] || array instanceof int[];
    byte[] content = new byte[size * (array instanceof long[] ? 8 : wide ? 4 : 1)];
    ByteBuffer out = ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN);
    if (array instanceof float[]) {
      out.asFloatBuffer().put((float[]) array);
    } else if (array instanceof int[]) {
      out.asIntBuffer().put((int[]) array);
    } else if (array instanceof long[]) {
      out.asLongBuffer().put((long[]) array);
    } else if (array instanceof byte[]) {
      out.put((byte[]) array);
    } else {
      for (boolean flag : (boolean[]) array) {
        out.put((byte) (flag ? 1 : 0));
      }
    }
    return content;
  }
}
