package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.tfcompress.modelfile.TensorInfo;

public final class InputsTest {
  @Rule public final TemporaryFolder folder = new TemporaryFolder();

  private static List<TensorInfo> tensor(String type, int... shape) {
    return Collections.singletonList(TensorInfo.of("x", type, shape));
  }

  private String file(byte... content) throws IOException {
    File file = folder.newFile();
    Files.write(file.toPath(), content);
    return file.getPath();
  }

  @Test
  public void noiseIsTheSameEveryTime() throws Exception {
    float[] once = (float[]) Inputs.of(tensor("float32", 1, 50), Arrays.asList()).get(0);
    float[] again = (float[]) Inputs.of(tensor("float32", 1, 50), Arrays.asList()).get(0);
    assertArrayEquals(once, again, 0);
    for (float value : once) {
      assertTrue(value >= 0 && value < 1);
    }
    byte[] small = (byte[]) Inputs.of(tensor("int8", 200), Arrays.asList()).get(0);
    for (byte value : small) {
      assertTrue(value >= 0 && value < 127);
    }
  }

  @Test
  public void whatMayBeAnIndexIsZero() throws Exception {
    assertArrayEquals(
        new int[3], (int[]) Inputs.of(tensor("int32", 3), Arrays.asList()).get(0));
    assertArrayEquals(
        new long[2], (long[]) Inputs.of(tensor("int64", 2), Arrays.asList()).get(0));
  }

  @Test
  public void filesAreReadAsRawTensors() throws Exception {
    String floats = file((byte) 0, (byte) 0, (byte) 0x80, (byte) 0x3f);
    assertArrayEquals(
        new float[] {1f},
        (float[]) Inputs.of(tensor("float32", 1), Arrays.asList(floats)).get(0), 0);
    String ints = file((byte) 2, (byte) 1, (byte) 0, (byte) 0);
    assertArrayEquals(
        new int[] {258}, (int[]) Inputs.of(tensor("int32", 1), Arrays.asList(ints)).get(0));
    String bytes = file((byte) -3, (byte) 4);
    assertArrayEquals(
        new byte[] {-3, 4}, (byte[]) Inputs.of(tensor("int8", 2), Arrays.asList(bytes)).get(0));
    assertArrayEquals(
        new boolean[] {true, true},
        (boolean[]) Inputs.of(tensor("bool", 2), Arrays.asList(bytes)).get(0));
  }

  @Test
  public void whatDoesNotFitIsRefused() throws Exception {
    String three = file((byte) 1, (byte) 2, (byte) 3);
    IOException size =
        assertThrows(
            IOException.class, () -> Inputs.of(tensor("float32", 1), Arrays.asList(three)));
    assertTrue(size.getMessage().contains("of 3 bytes for x (float32), which has 4"));
    IOException count =
        assertThrows(
            IOException.class, () -> Inputs.of(tensor("int8", 3), Arrays.asList(three, three)));
    assertTrue(count.getMessage().contains("2 files for 1 inputs"));
    IOException type =
        assertThrows(IOException.class, () -> Inputs.of(tensor("string", 1), Arrays.asList()));
    assertEquals(true, type.getMessage().contains("of type string"));
  }
}
