package org.tfcompress.modelfile;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.Test;

public final class JsonTest {
  @Test
  public void whatIsWrittenIsReadAgain() throws Exception {
    Map<String, Object> value = new LinkedHashMap<>();
    value.put("text", "a \"quoted\" \\ line\nwith ü, \u2028 and \uD83D\uDE00");
    value.put("list", Arrays.asList(1.0, -2.5e-7, 1e300, true, null));
    value.put("empty", new LinkedHashMap<>());
    value.put("none", Arrays.asList());
    assertEquals(value, Json.parse(Json.write(value)));
  }

  @Test
  public void wholeNumbersAreWrittenWithoutAPoint() {
    assertEquals("[3, -7, 0.5]", Json.write(new double[] {3, -7, 0.5}));
    assertEquals("9007199254740991", Json.write(9007199254740991.0));
    assertEquals("9007199254740993", Json.write(9007199254740993L));
    assertEquals("[1, 20]", Json.write(new int[] {1, 20}));
  }

  @Test
  public void aNumberThatJsonLacksIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> Json.write(Double.NaN));
    assertThrows(IllegalArgumentException.class, () -> Json.write(Float.POSITIVE_INFINITY));
    assertThrows(IllegalArgumentException.class, () -> Json.write(new Object()));
  }

  @Test
  public void whatIsNotJsonIsRefused() {
    String deep = new String(new char[5000]).replace("\0", "[");
    for (String text :
        new String[] {
          "", "{", "[1,]", "{\"a\" 1}", "nul", "01", "1 2", "\"open", "\"\\x\"", "[1e]", "--1", "+1",
          "{\"a\":1,}", "\"\\u12\"", "'a'", deep,
        }) {
      assertThrows(text, ModelFileException.class, () -> Json.parse(text));
    }
  }
}
