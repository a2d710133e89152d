package org.tfcompress.modelfile;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** JSON as plain Java values: Map, List, String, Double, Boolean, null. */
public final class Json {
  private static final double EXACT = 1L << 53; // whole numbers under it have no gaps

  private Json() {}

  /** Reads one JSON value that fills the whole text. */
  public static Object parse(String text) throws ModelFileException {
    return new JsonReader(text).readAll();
  }

  /**
   * Writes a value in one line; keys keep the order of the map.
   *
   * @param value of Map, Iterable, String, Number, Boolean, null, or an array of doubles or ints
   * @throws IllegalArgumentException for a number that JSON cannot hold, or another class
   */
  public static String write(Object value) {
    StringBuilder out = new StringBuilder();
    write(value, out);
    return out.toString();
  }

  private static void write(Object value, StringBuilder out) {
    if (value == null || value instanceof Boolean) {
      out.append(value);
    } else if (value instanceof Number) {
      writeNumber((Number) value, out);
    } else if (value instanceof CharSequence) {
      writeString(value.toString(), out);
    } else if (value instanceof Map) {
      writeMap((Map<?, ?>) value, out);
    } else if (value instanceof Iterable) {
      writeList((Iterable<?>) value, out);
    } else if (value instanceof double[]) {
      writeList(boxed((double[]) value), out);
    } else if (value instanceof int[]) {
      writeList(boxed((int[]) value), out);
    } else {
      throw new IllegalArgumentException(
          "This value is not JSON. Received: " + value.getClass().getName()
              + ". Make it a map, a list, a string, a number or a boolean.");
    }
  }

  private static void writeNumber(Number number, StringBuilder out) {
    double value = number.doubleValue();
    if (Double.isNaN(value) || Double.isInfinite(value)) {
      throw new IllegalArgumentException(
          "JSON has no such number. Received: " + number + ". Write null instead.");
    }
    boolean floating = number instanceof Double || number instanceof Float;
    boolean whole = floating && value == Math.rint(value) && Math.abs(value) < EXACT;
    out.append(whole ? Long.toString((long) value) : number.toString());
  }

  private static void writeString(String text, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (c < ' ' || Character.isSurrogate(c)) {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c);
      }
    }
    out.append('"');
  }

  private static void writeMap(Map<?, ?> map, StringBuilder out) {
    String separator = "{";
    for (Map.Entry<?, ?> entry : map.entrySet()) {
      out.append(separator);
      writeString(String.valueOf(entry.getKey()), out);
      out.append(": ");
      write(entry.getValue(), out);
      separator = ", ";
    }
    out.append(map.isEmpty() ? "{}" : "}");
  }

  private static void writeList(Iterable<?> items, StringBuilder out) {
    String separator = "[";
    boolean empty = true;
    for (Object item : items) {
      out.append(separator);
      write(item, out);
      separator = ", ";
      empty = false;
    }
    out.append(empty ? "[]" : "]");
  }

  private static List<Double> boxed(double[] values) {
    List<Double> list = new ArrayList<>();
    for (double value : values) {
      list.add(value);
    }
    return list;
  }

  private static List<Integer> boxed(int[] values) {
    List<Integer> list = new ArrayList<>();
    for (int value : values) {
      list.add(value);
    }
    return list;
  }
}
