package org.tfcompress.benchmark.core;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.tfcompress.modelfile.Json;

/**
 * The file that the host waits for, written anew after each run.
 *
 * <p>Each state is renamed into place, so that a reader finds a whole one. {@code running} names
 * the model under way: if native code ends the process, the host knows which file did it.
 */
public final class RecordFile {
  private final File file;
  private final Map<String, Object> values = new LinkedHashMap<>();
  private final List<Object> runs = new ArrayList<>();

  /**
   * Prepares a record; nothing is written yet.
   *
   * @param about app, device and conditions, which go into the record as they are
   */
  public RecordFile(File file, Map<String, Object> about) {
    this.file = file;
    values.put("schema", RunRecord.SCHEMA);
    values.put("runner", RunRecord.RUNNER);
    values.putAll(about);
    values.put("runs", runs);
    values.put("running", null);
    values.put("finished", false);
    values.put("error", null);
  }

  /** Says which job is under way. */
  public void start(Job job) throws IOException {
    values.put("running", new File(job.model).getName());
    write();
  }

  public void add(Map<String, Object> run) throws IOException {
    runs.add(run);
    values.put("running", null);
    write();
  }

  /**
   * Ends the record.
   *
   * @param error one line, null if there was none
   */
  public void finish(String error) throws IOException {
    values.put("running", null);
    values.put("finished", true);
    values.put("error", error);
    write();
  }

  private void write() throws IOException {
    File part = new File(file.getParentFile(), file.getName() + ".part");
    Files.write(part.toPath(), (Json.write(values) + "\n").getBytes(StandardCharsets.UTF_8));
    Files.move(
        part.toPath(), file.toPath(), StandardCopyOption.REPLACE_EXISTING,
        StandardCopyOption.ATOMIC_MOVE);
  }
}
