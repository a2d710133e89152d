package org.tfcompress.modelfile;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;

import org.junit.Test;

public final class TensorInfoTest {
  @Test
  public void floatsAreRoundedToEvenAndClipped() {
    TensorInfo tensor = new TensorInfo("x", 9, new int[] {1, 6}, 0.5f, -1);
    byte[] steps = tensor.quantize(new float[] {0, 0.25f, 0.75f, -0.5f, 1000, -1000});
    assertArrayEquals(new byte[] {-1, -1, 1, -2, 127, -128}, steps);
    assertArrayEquals(new float[] {0, 64}, tensor.dequantize(new byte[] {-1, 127}), 0);
  }

  @Test
  public void unsignedTensorsUseTheirWholeRange() {
    TensorInfo tensor = new TensorInfo("x", 3, new int[] {2}, 1f, 0);
    assertArrayEquals(new byte[] {(byte) 255, 0}, tensor.quantize(new float[] {300, -5}));
    assertArrayEquals(new float[] {255}, tensor.dequantize(new byte[] {-1}), 0);
  }

  @Test
  public void typesHaveTheirNames() {
    assertEquals("float32", new TensorInfo("x", 0, new int[0], 0, 0).type);
    assertEquals("bool", new TensorInfo("x", 6, new int[0], 0, 0).type);
    assertEquals("int4", new TensorInfo("x", 17, new int[0], 0, 0).type);
    assertEquals("type 99", new TensorInfo("x", 99, new int[0], 0, 0).type);
    assertFalse(new TensorInfo("x", 0, new int[0], 0.5f, 0).isQuantized());
  }
}
