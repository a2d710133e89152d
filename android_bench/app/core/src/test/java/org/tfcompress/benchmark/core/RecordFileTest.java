package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertNull;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;
import org.tfcompress.modelfile.Json;

public final class RecordFileTest {
  @Rule public final TemporaryFolder folder = new TemporaryFolder();

  @SuppressWarnings("unchecked")
  private static Map<String, Object> read(File file) throws Exception {
    String text = new String(Files.readAllBytes(file.toPath()), StandardCharsets.UTF_8);
    return (Map<String, Object>) Json.parse(text);
  }

  @Test
  public void aReaderSeesHowFarItIsAndOnlyWholeFiles() throws Exception {
    File file = new File(folder.getRoot(), "record.json");
    RecordFile record = new RecordFile(file, Collections.singletonMap("app_version", "1"));
    assertFalse(file.exists());
    Job job = Job.of(Options.parse(Collections.singletonMap("models", "/x/a.tflite"))).get(0);
    record.start(job);
    assertEquals("a.tflite", read(file).get("running"));
    assertEquals(false, read(file).get("finished"));
    record.add(new RunRecord(job, "LiteRT 2.3.0").toMap());
    assertNull(read(file).get("running"));
    assertEquals("1", read(file).get("app_version"));
    record.finish(null);
    assertEquals(true, read(file).get("finished"));
    assertEquals(Arrays.asList("record.json"), Arrays.asList(folder.getRoot().list()));
  }

  @Test
  public void aRunHasTheKeysOfTheNativeRunner() throws Exception {
    Job job = Job.of(Options.parse(Collections.singletonMap("models", "/x/a.tflite"))).get(0);
    Map<String, Object> run = new RunRecord(job, "LiteRT 2.3.0").toMap();
    for (String key :
        Arrays.asList(
            "schema", "runner", "library_version", "delegate_asked", "delegate_applied",
            "delegated_ops", "total_ops", "refused_ops", "init_ms", "first_ms", "samples_ms",
            "stable", "peak_memory_bytes", "op_profile", "inputs", "outputs", "error")) {
      assertEquals(key, true, run.containsKey(key));
    }
    assertEquals(run.keySet(), ((Map<?, ?>) Json.parse(Json.write(run))).keySet());
  }

  @Test
  public void errorsAreOneLine() {
    assertEquals(
        "IOException: no such file", ErrorLine.of(new java.io.IOException("no such\n  file")));
    assertEquals("NullPointerException", ErrorLine.of(new NullPointerException()));
    String huge = new String(new char[9000]).replace("\0", "x");
    assertEquals(500, ErrorLine.of(new IllegalStateException(huge)).length());
  }

  @Test
  public void thePeakOfMemoryIsReadFromTheSystem() {
    assertEquals(
        84214 * 1024L, Memory.peakBytes(Arrays.asList("VmPeak:\t 999 kB", "VmHWM:\t   84214 kB")));
    assertEquals(0, Memory.peakBytes(Collections.emptyList()));
  }
}
