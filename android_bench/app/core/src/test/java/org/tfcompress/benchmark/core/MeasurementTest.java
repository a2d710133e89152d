package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.Before;
import org.junit.Rule;
import org.junit.Test;
import org.junit.rules.TemporaryFolder;

public final class MeasurementTest {
  @Rule public final TemporaryFolder folder = new TemporaryFolder();
  private final FakeEngine fake = new FakeEngine();
  private Path model;

  @Before
  public void copyModel() throws Exception {
    model = folder.getRoot().toPath().resolve("model.tflite");
    try (InputStream stream = MeasurementTest.class.getResourceAsStream("/model.tflite")) {
      Files.copy(stream, model);
    }
  }

  private Map<String, Object> measure(String delegate) {
    Map<String, String> extras = new HashMap<>();
    extras.put("models", model.toString());
    extras.put("delegate", delegate);
    extras.put("threads", "2");
    extras.put("output_folder", "out");
    Job job = Job.of(Options.parse(extras)).get(0);
    return new Measurement(folder.getRoot(), fake, fake, () -> fake.now).run(job);
  }

  private static double first(Map<String, Object> record) {
    return ((double[]) record.get("samples_ms"))[0];
  }

  @Test
  public void aCpuRunIsTimedWithoutReadingItsOutput() throws Exception {
    Map<String, Object> record = measure("cpu");
    assertNull(record.get("error"));
    assertEquals("tfcompress-app", record.get("runner"));
    assertEquals("LiteRT 2.3.0", record.get("library_version"));
    assertEquals("model.tflite", record.get("model"));
    assertEquals(5.0, record.get("init_ms"));
    assertEquals(2.0, record.get("first_ms"));
    assertEquals(2.0, first(record), 0);
    assertEquals(true, record.get("stable"));
    assertEquals("none", record.get("delegate_applied"));
    assertTrue((int) record.get("total_ops") >= 9);
    assertTrue((long) record.get("peak_memory_bytes") > 1_000_000);
    assertEquals(Arrays.asList("open CPU 2", "close CPU"), fake.events);
    Map<?, ?> output = (Map<?, ?>) ((List<?>) record.get("outputs")).get(0);
    assertEquals("output_0.bin", output.get("file"));
    Path written = folder.getRoot().toPath().resolve("out/output_0.bin");
    assertArrayEquals(fake.cpuOutput, Files.readAllBytes(written));
    assertNull(record.get("agreement"));
  }

  @Test
  public void aGpuRunIsTimedUntilItsOutputIsThereAndThenCompared() {
    Map<String, Object> record = measure("gpu");
    assertNull(record.get("error"));
    assertEquals("full", record.get("delegate_applied"));
    assertEquals(record.get("total_ops"), record.get("delegated_ops"));
    assertEquals(3.0, record.get("first_ms"));
    assertEquals(3.0, first(record), 0);
    assertEquals(true, record.get("output_read_in_time"));
    assertEquals(true, ((Map<?, ?>) record.get("agreement")).get("agrees"));
    assertEquals(
        Arrays.asList("open GPU 2", "open CPU 2", "close CPU", "close GPU"), fake.events);
  }

  @Test
  public void garbageOfTheGpuIsTimedButDoesNotAgree() {
    fake.gpuOutput = new byte[] {-128, 0, 127};
    Map<String, Object> record = measure("gpu");
    assertEquals(false, ((Map<?, ?>) record.get("agreement")).get("agrees"));
    assertNull(record.get("error"));
  }

  @Test
  public void aPartOnTheGpuIsMeasuredAndNamed() {
    fake.alone = new IllegalStateException("Some ops are not accelerated.");
    fake.logged.addAll(
        Arrays.asList(
            "Following operations are not supported by GPU delegate:",
            "SOFTMAX: no.",
            "9 operations will run on the GPU, and the remaining 2 operations will run on the CPU."
        ));
    Map<String, Object> record = measure("gpu");
    assertNull(record.get("error"));
    assertEquals("partial", record.get("delegate_applied"));
    assertEquals(9, record.get("delegated_ops"));
    assertEquals(Arrays.asList("SOFTMAX: no."), record.get("refused_ops"));
    assertEquals(5.0, record.get("init_ms")); // of the attempt that succeeded
    assertEquals("open GPU_AND_CPU 2", fake.events.get(1));
  }

  @Test
  public void nothingOnTheGpuIsNotTimed() {
    fake.alone = new IllegalStateException("Some ops are not accelerated.");
    fake.logged.add("No operations will run on the GPU, and all 11 operations will run on the CPU.");
    Map<String, Object> record = measure("gpu");
    assertTrue(record.get("error").toString().startsWith("The GPU took no operator."));
    assertTrue(((List<?>) record.get("samples_ms")).isEmpty());
    assertEquals(0, fake.open);
  }

  @Test
  public void aDeviceWithoutAGpuSaysBothReasons() {
    fake.alone = new IllegalStateException("no accelerator");
    Map<String, Object> record = measure("gpu");
    String error = record.get("error").toString();
    assertTrue(error, error.contains("\"no accelerator\" for it alone"));
    assertTrue(error, error.contains("log does not say what the GPU took"));
    assertEquals(0, fake.open);
    fake.together = new IllegalStateException("no runtime");
    assertTrue(measure("gpu").get("error").toString().contains("\"no runtime\" with the CPU"));
  }

  @Test
  public void aFailureInTheMiddleKeepsWhatWasKnown() {
    fake.failAfter = 20;
    Map<String, Object> record = measure("cpu");
    assertEquals("the driver is gone", record.get("error"));
    assertEquals(2.0, record.get("first_ms"));
    assertTrue(((List<?>) record.get("samples_ms")).isEmpty());
    assertEquals(0, fake.open);
  }

  @Test
  public void aDamagedFileNeverReachesTheRuntime() throws Exception {
    Files.write(model, new byte[] {1, 2, 3});
    assertTrue(measure("cpu").get("error").toString().contains("damaged"));
    Files.delete(model);
    assertTrue(measure("cpu").get("error").toString().contains("cannot be read"));
    assertEquals(new ArrayList<>(), fake.events);
  }
}
