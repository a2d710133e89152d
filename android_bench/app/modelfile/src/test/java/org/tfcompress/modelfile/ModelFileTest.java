package org.tfcompress.modelfile;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.io.File;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.Test;

public final class ModelFileTest {
  @Test
  public void theNoteIsWhatPythonReads() throws Exception {
    ModelFile file = Fixture.model();
    assertEquals(Fixture.expected().get("note"), file.note);
    assertEquals("int8", file.note.get("recipe"));
    assertEquals(10, file.labels().size());
    assertEquals("T-shirt/top", file.labels().get(0));
  }

  @Test
  public void inputsAndOutputsHaveNamesShapesTypesAndScales() throws Exception {
    ModelFile file = Fixture.model();
    TensorInfo input = file.inputs.get(0);
    assertEquals("picture", input.name);
    assertEquals("int8", input.type);
    assertArrayEquals(new int[] {1, 20, 20, 1}, input.shape());
    assertEquals(400, input.size());
    assertTrue(input.isQuantized());
    TensorInfo output = file.outputs.get(0);
    assertEquals("class", output.name);
    assertEquals(1f / 256, output.scale, 0); // a softmax's, by definition
    assertEquals(-128, output.zeroPoint);
    assertEquals("serving_default", file.signature);
    assertTrue(file.numOperators >= 9);
  }

  @Test
  public void aCutFileIsAnErrorAndNeverACrash() throws Exception {
    byte[] content = Fixture.bytes("model.tflite");
    int refused = 0;
    for (int length = 0; length < content.length; length += 7) {
      ByteBuffer cut = ByteBuffer.wrap(Arrays.copyOf(content, length));
      try {
        ModelFile.read(cut, "cut.tflite");
      } catch (ModelFileException error) {
        assertTrue(error.getMessage(), error.getMessage().contains("cut.tflite"));
        refused++;
      }
    }
    assertTrue("only weights at the end may be missing", refused > content.length / 20);
  }

  @Test
  public void aDamagedFileIsAnErrorAndNeverACrash() throws Exception {
    byte[] content = Fixture.bytes("model.tflite");
    Random random = new Random(1);
    for (int trial = 0; trial < 2000; trial++) {
      byte[] damaged = content.clone();
      for (int i = 0; i < 5; i++) {
        damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
      }
      try {
        ModelFile.read(ByteBuffer.wrap(damaged), "damaged.tflite");
      } catch (ModelFileException error) {
        assertTrue(error.getMessage().contains("Received: "));
      }
    }
  }

  @Test
  public void anotherFileIsRefusedByName() {
    byte[] png = "\u0089PNG\r\n and more".getBytes();
    ModelFileException error =
        assertThrows(
            ModelFileException.class, () -> ModelFile.read(ByteBuffer.wrap(png), "a.png"));
    assertTrue(error.getMessage().startsWith("This is not a .tflite file. Received: a.png"));
  }

  @Test
  public void aMissingFileIsRefusedByPath() {
    ModelFileException error =
        assertThrows(ModelFileException.class, () -> ModelFile.read(new File("/no/such.tflite")));
    assertTrue(error.getMessage().contains("/no/such.tflite"));
  }
}
