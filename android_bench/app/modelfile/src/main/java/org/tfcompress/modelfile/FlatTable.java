package org.tfcompress.modelfile;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * One table of a FlatBuffer, read without generated code.
 *
 * <p>A table starts with the distance back to its vtable, which lists where each field lies; 0
 * means that the field has its default. Strings, vectors and tables are found through an offset
 * relative to the place where the offset stands. Every access is checked by the buffer: a damaged
 * file gives an {@link IndexOutOfBoundsException}, never a wrong place in memory.
 */
final class FlatTable {
  private final ByteBuffer data;
  private final int at;

  private FlatTable(ByteBuffer data, int at) {
    this.data = data;
    this.at = at;
  }

  static FlatTable root(ByteBuffer content) {
    ByteBuffer data = content.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    return new FlatTable(data, target(data, 0));
  }

  int int8(int slot, int fallback) {
    int field = field(slot);
    return field == 0 ? fallback : data.get(field);
  }

  int int32(int slot, int fallback) {
    int field = field(slot);
    return field == 0 ? fallback : data.getInt(field);
  }

  /** Returns a string, or an empty one if the field is absent. */
  String string(int slot) {
    ByteBuffer bytes = bytes(slot);
    return StandardCharsets.UTF_8.decode(bytes).toString();
  }

  /** Returns the bytes of a byte vector or string; empty if the field is absent. */
  ByteBuffer bytes(int slot) {
    int field = field(slot);
    if (field == 0) {
      return ByteBuffer.allocate(0);
    }
    int vector = target(data, field);
    ByteBuffer part = data.duplicate();
    part.position(vector + 4);
    part.limit(vector + 4 + length(vector, 1));
    return part.slice();
  }

  int[] int32s(int slot) {
    int field = field(slot);
    int vector = field == 0 ? 0 : target(data, field);
    int[] values = new int[field == 0 ? 0 : length(vector, 4)];
    for (int i = 0; i < values.length; i++) {
      values[i] = data.getInt(vector + 4 + 4 * i);
    }
    return values;
  }

  float[] float32s(int slot) {
    int[] bits = int32s(slot);
    float[] values = new float[bits.length];
    for (int i = 0; i < values.length; i++) {
      values[i] = Float.intBitsToFloat(bits[i]);
    }
    return values;
  }

  long[] int64s(int slot) {
    int field = field(slot);
    int vector = field == 0 ? 0 : target(data, field);
    long[] values = new long[field == 0 ? 0 : length(vector, 8)];
    for (int i = 0; i < values.length; i++) {
      values[i] = data.getLong(vector + 4 + 8 * i);
    }
    return values;
  }

  /** Returns a table; null if the field is absent. */
  FlatTable table(int slot) {
    int field = field(slot);
    return field == 0 ? null : new FlatTable(data, target(data, field));
  }

  List<FlatTable> tables(int slot) {
    int field = field(slot);
    List<FlatTable> tables = new ArrayList<>();
    if (field != 0) {
      int vector = target(data, field);
      int length = length(vector, 4);
      for (int i = 0; i < length; i++) {
        tables.add(new FlatTable(data, target(data, vector + 4 + 4 * i)));
      }
    }
    return tables;
  }

  private int field(int slot) {
    int vtable = at - data.getInt(at);
    int entry = 4 + 2 * slot;
    if (entry + 2 > (data.getShort(vtable) & 0xffff)) {
      return 0; // written before the field existed
    }
    int offset = data.getShort(vtable + entry) & 0xffff;
    return offset == 0 ? 0 : at + offset;
  }

  private static int target(ByteBuffer data, int place) {
    long target = place + (data.getInt(place) & 0xffffffffL);
    if (target > data.limit() - 4L) {
      throw new IndexOutOfBoundsException("an offset of " + target + " bytes");
    }
    return (int) target;
  }

  private int length(int vector, int itemBytes) {
    long length = data.getInt(vector) & 0xffffffffL;
    if (vector + 4 + length * itemBytes > data.limit()) {
      throw new IndexOutOfBoundsException("a vector of " + length + " items");
    }
    return (int) length;
  }
}
