package org.tfcompress.modelfile;

import java.io.File;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a .tflite file says about itself: inputs, outputs and the toolkit's note.
 *
 * <p>The note is one JSON object in the file's metadata entry {@code tfcompress}: labels,
 * preprocessing, recipe, versions. A file of another tool has an empty one. Slot numbers are those
 * of the public TensorFlow Lite schema, version 3.
 */
public final class ModelFile {
  private static final String ENTRY = "tfcompress";

  /** The signature's key, null in a file without signatures. */
  public final String signature;

  public final List<TensorInfo> inputs;
  public final List<TensorInfo> outputs;

  /** Operators in the main graph. */
  public final int numOperators;

  /** The toolkit's note; empty if there is none. */
  public final Map<String, Object> note;

  private ModelFile(FlatTable model) throws ModelFileException {
    List<FlatTable> signatures = model.tables(7);
    FlatTable first = signatures.isEmpty() ? null : signatures.get(0);
    FlatTable graph = model.tables(2).get(first == null ? 0 : first.int32(4, 0));
    signature = first == null ? null : first.string(2);
    inputs = tensors(graph, 1, names(first, 0));
    outputs = tensors(graph, 2, names(first, 1));
    numOperators = graph.tables(3).size();
    note = readNote(model);
  }

  /** Reads a file from storage without loading its weights. */
  public static ModelFile read(File file) throws ModelFileException {
    try (RandomAccessFile stream = new RandomAccessFile(file, "r");
        FileChannel channel = stream.getChannel()) {
      return read(channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size()), file.getName());
    } catch (IOException error) {
      throw new ModelFileException(
          "This file cannot be read. Received: " + file + " (" + error.getMessage()
              + "). Check the path, and that this app may read it.",
          error);
    }
  }

  /**
   * Reads a file that is in memory.
   *
   * @param name what messages call it
   */
  public static ModelFile read(ByteBuffer content, String name) throws ModelFileException {
    try {
      byte[] identifier = new byte[4];
      for (int i = 0; i < 4; i++) {
        identifier[i] = content.get(4 + i);
      }
      if (!new String(identifier, StandardCharsets.ISO_8859_1).equals("TFL3")) {
        throw new ModelFileException(
            "This is not a .tflite file. Received: " + name + " of " + content.limit()
                + " bytes without the identifier TFL3. Convert the model first.");
      }
      return new ModelFile(FlatTable.root(content));
    } catch (IndexOutOfBoundsException | IllegalArgumentException | NullPointerException error) {
      throw new ModelFileException(
          "This .tflite file is damaged. Received: " + name + " of " + content.limit() + " bytes ("
              + error.getMessage() + "). Copy or convert it again.",
          error);
    }
  }

  /** Returns the class names; empty if the file has none. */
  public List<String> labels() {
    List<String> labels = new ArrayList<>();
    Object found = note.get("labels");
    if (found instanceof List) {
      for (Object label : (List<?>) found) {
        labels.add(String.valueOf(label));
      }
    }
    return labels;
  }

  /** Returns what to do to a picture before the model sees it. */
  public Preprocessing preprocessing() throws ModelFileException {
    return Preprocessing.of(note.get("preprocessing"));
  }

  private static Map<Integer, String> names(FlatTable signature, int slot) {
    Map<Integer, String> names = new HashMap<>();
    if (signature != null) {
      for (FlatTable item : signature.tables(slot)) {
        names.put(item.int32(1, 0), item.string(0));
      }
    }
    return names;
  }

  private static List<TensorInfo> tensors(FlatTable graph, int slot, Map<Integer, String> names) {
    List<FlatTable> all = graph.tables(0);
    List<TensorInfo> tensors = new ArrayList<>();
    for (int index : graph.int32s(slot)) {
      FlatTable tensor = all.get(index);
      FlatTable quantization = tensor.table(4);
      float[] scale = quantization == null ? new float[0] : quantization.float32s(2);
      long[] zeroPoint = quantization == null ? new long[0] : quantization.int64s(3);
      String name = names.getOrDefault(index, tensor.string(3));
      tensors.add(
          new TensorInfo(
              name,
              tensor.int8(1, 0),
              tensor.int32s(0),
              scale.length == 1 ? scale[0] : 0,
              zeroPoint.length == 1 ? (int) zeroPoint[0] : 0));
    }
    return Collections.unmodifiableList(tensors);
  }

  @SuppressWarnings("unchecked")
  private static Map<String, Object> readNote(FlatTable model) throws ModelFileException {
    for (FlatTable entry : model.tables(6)) {
      if (entry.string(0).equals(ENTRY)) {
        FlatTable buffer = model.tables(4).get(entry.int32(1, 0));
        Object note = Json.parse(buffer.string(0));
        if (note instanceof Map) {
          return Collections.unmodifiableMap((Map<String, Object>) note);
        }
      }
    }
    return Collections.emptyMap(); // another tool's file
  }
}
