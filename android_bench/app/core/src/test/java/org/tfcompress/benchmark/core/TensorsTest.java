package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.tfcompress.modelfile.TensorInfo;

public final class TensorsTest {
  @Rule public final TemporaryFolder folder = new TemporaryFolder();

  private static final List<TensorInfo> TENSORS =
      Arrays.asList(
          TensorInfo.of("a", "float32", 2), TensorInfo.of("b", "int32", 1),
          TensorInfo.of("c", "int64", 1), TensorInfo.of("d", "int8", 3),
          TensorInfo.of("e", "bool", 2));
  private static final List<Object> ARRAYS =
      Arrays.asList(
          new float[] {1.5f, -2}, new int[] {-7}, new long[] {1L << 40}, new byte[] {1, -2, 3},
          new boolean[] {true, false});

  @Test
  public void whatIsWrittenIsRawAndReadAgain() throws Exception {
    List<String> names = Tensors.write(ARRAYS, folder.getRoot());
    assertEquals("output_0.bin", names.get(0));
    int[] sizes = {8, 4, 8, 3, 2};
    for (int i = 0; i < names.size(); i++) {
      byte[] content = Files.readAllBytes(folder.getRoot().toPath().resolve(names.get(i)));
      assertEquals(sizes[i], content.length);
      Object again =
          Tensors.typed(
              TENSORS.get(i), ByteBuffer.wrap(content).order(ByteOrder.LITTLE_ENDIAN));
      assertEquals(true, Arrays.deepEquals(new Object[] {ARRAYS.get(i)}, new Object[] {again}));
    }
  }

  @Test
  public void everyTypeIsComparedAsFloats() {
    List<float[]> floats = Tensors.floats(TENSORS, ARRAYS);
    assertArrayEquals(new float[] {1.5f, -2}, floats.get(0), 0);
    assertArrayEquals(new float[] {-7}, floats.get(1), 0);
    assertArrayEquals(new float[] {1L << 40}, floats.get(2), 0);
    assertArrayEquals(new float[] {1, -2, 3}, floats.get(3), 0);
    assertArrayEquals(new float[] {1, 0}, floats.get(4), 0);
  }
}
