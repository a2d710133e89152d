package org.tfcompress.modelfile;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.Map;

/** A real file of the toolkit, and what its Python code makes of the same pictures. */
final class Fixture {
  private Fixture() {}

  static byte[] bytes(String name) throws IOException {
    try (InputStream stream = Fixture.class.getResourceAsStream("/" + name)) {
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      byte[] part = new byte[8192];
      for (int count = stream.read(part); count >= 0; count = stream.read(part)) {
        out.write(part, 0, count);
      }
      return out.toByteArray();
    }
  }

  static ModelFile model() throws Exception {
    return ModelFile.read(ByteBuffer.wrap(bytes("model.tflite")), "model.tflite");
  }

  @SuppressWarnings("unchecked")
  static Map<String, Object> expected() throws Exception {
    String text = new String(bytes("expected.json"), StandardCharsets.UTF_8);
    return (Map<String, Object>) Json.parse(text);
  }

  @SuppressWarnings("unchecked")
  static List<Map<String, Object>> list(String key) throws Exception {
    return (List<Map<String, Object>>) expected().get(key);
  }

  static byte[] decoded(Object text) {
    return Base64.getDecoder().decode((String) text);
  }

  static float[] floats(Object numbers) {
    List<?> list = (List<?>) numbers;
    float[] values = new float[list.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = ((Number) list.get(i)).floatValue();
    }
    return values;
  }
}
