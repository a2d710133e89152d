package org.tfcompress.modelfile;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.Test;

public final class PreprocessingTest {
  @Test
  public void everySettingGivesWhatPythonGives() throws Exception {
    List<Map<String, Object>> cases = Fixture.list("cases");
    assertEquals(7, cases.size());
    for (Map<String, Object> one : cases) {
      float[] shape = Fixture.floats(one.get("shape"));
      Picture picture =
          Picture.ofBytes(
              (int) shape[0], (int) shape[1], (int) shape[2], Fixture.decoded(one.get("pixels")));
      float[] expected = Fixture.floats(one.get("expected"));
      float[] made = Preprocessing.of(one.get("preprocessing")).apply(picture);
      assertArrayEquals(one.get("preprocessing").toString(), expected, made, 1e-3f);
    }
  }

  @Test
  public void aPictureBecomesTheSameIntegersAsInPython() throws Exception {
    ModelFile file = Fixture.model();
    for (Map<String, Object> one : Fixture.list("pictures")) {
      Picture picture = Picture.ofBytes(28, 28, 1, Fixture.decoded(one.get("pixels")));
      byte[] input = file.inputs.get(0).quantize(file.preprocessing().apply(picture));
      assertArrayEquals(Fixture.decoded(one.get("input")), input);
    }
  }

  @Test
  public void anAndroidBitmapIsReadAsColours() throws Exception {
    Picture picture = Picture.ofArgb(1, 2, new int[] {0xff102030, 0x00ffffff});
    Preprocessing plain = Preprocessing.of(Collections.emptyMap());
    assertArrayEquals(new float[] {16, 32, 48, 255, 255, 255}, plain.apply(picture), 0);
  }

  @Test
  public void aFileWithoutPreprocessingSaysHowToGetIt() {
    ModelFileException error =
        assertThrows(ModelFileException.class, () -> Preprocessing.of(null));
    assertTrue(error.getMessage().contains("tfcompress convert --data"));
  }

  @Test
  public void aPythonFunctionIsRefusedByName() {
    Map<String, Object> note = Collections.singletonMap("function", "mine.py:prepare");
    ModelFileException error =
        assertThrows(ModelFileException.class, () -> Preprocessing.of(note));
    assertTrue(error.getMessage().contains("mine.py:prepare"));
  }

  @Test
  public void pixelsThatMakeNoPictureAreRefused() {
    assertThrows(
        IllegalArgumentException.class, () -> Picture.ofBytes(2, 2, 3, new byte[11]));
  }
}
