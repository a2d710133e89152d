package org.tfcompress.modelfile;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads one JSON text by recursive descent; anything that is not JSON is refused. */
final class JsonReader {
  private static final int DEEPEST = 100; // a damaged text must not overflow the stack

  private final String text;
  private int at;
  private int depth;

  JsonReader(String text) {
    this.text = text;
  }

  Object readAll() throws ModelFileException {
    Object value = readValue();
    skipSpace();
    if (at != text.length()) {
      throw unexpected("the end");
    }
    return value;
  }

  private Object readValue() throws ModelFileException {
    skipSpace();
    char next = at < text.length() ? text.charAt(at) : 0;
    if (next == '{' || next == '[') {
      if (++depth > DEEPEST) {
        throw unexpected("at most " + DEEPEST + " levels");
      }
      Object value = next == '{' ? readMap() : readList();
      depth--;
      return value;
    }
    if (next == '"') {
      return readString();
    }
    if (next == '-' || (next >= '0' && next <= '9')) {
      return readNumber();
    }
    return readWord();
  }

  private Map<String, Object> readMap() throws ModelFileException {
    Map<String, Object> map = new LinkedHashMap<>();
    at++;
    if (taken('}')) {
      return map;
    }
    do {
      skipSpace();
      String key = readString();
      require(':');
      map.put(key, readValue());
    } while (taken(','));
    require('}');
    return map;
  }

  private List<Object> readList() throws ModelFileException {
    List<Object> list = new ArrayList<>();
    at++;
    if (taken(']')) {
      return list;
    }
    do {
      list.add(readValue());
    } while (taken(','));
    require(']');
    return list;
  }

  private String readString() throws ModelFileException {
    require('"');
    StringBuilder out = new StringBuilder();
    while (at < text.length()) {
      char c = text.charAt(at++);
      if (c == '"') {
        return out.toString();
      }
      if (c < ' ') {
        break;
      }
      out.append(c == '\\' ? readEscape() : c);
    }
    throw unexpected("the end of a string");
  }

  private char readEscape() throws ModelFileException {
    char c = at < text.length() ? text.charAt(at++) : 0;
    int known = "\"\\/bfnrt".indexOf(c);
    if (known >= 0) {
      return "\"\\/\b\f\n\r\t".charAt(known);
    }
    if (c == 'u' && at + 4 <= text.length()) {
      try {
        at += 4;
        return (char) Integer.parseInt(text.substring(at - 4, at), 16);
      } catch (NumberFormatException error) {
        throw unexpected("four hexadecimal digits");
      }
    }
    throw unexpected("an escape");
  }

  private Double readNumber() throws ModelFileException {
    int start = at;
    while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
    String number = text.substring(start, at);
    if (!number.matches("-?(0|[1-9]\\d*)(\\.\\d+)?([eE][+-]?\\d+)?")) {
      throw unexpected("a number");
    }
    return Double.valueOf(number);
  }

  private Object readWord() throws ModelFileException {
    for (String word : new String[] {"true", "false", "null"}) {
      if (text.startsWith(word, at)) {
        at += word.length();
        return word.equals("null") ? null : Boolean.valueOf(word);
      }
    }
    throw unexpected("a value");
  }

  private void skipSpace() {
    while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
  }

  private boolean taken(char wanted) {
    skipSpace();
    boolean found = at < text.length() && text.charAt(at) == wanted;
    at += found ? 1 : 0;
    return found;
  }

  private void require(char wanted) throws ModelFileException {
    if (!taken(wanted)) {
      throw unexpected("'" + wanted + "'");
    }
  }

  private ModelFileException unexpected(String wanted) {
    String rest = text.substring(Math.min(at, text.length()));
    return new ModelFileException(
        "This is not JSON. Received: \"" + rest.substring(0, Math.min(20, rest.length()))
            + "\" at character " + at + " where " + wanted
            + " was expected. Convert the model again, or use a file of this toolkit.");
  }
}
