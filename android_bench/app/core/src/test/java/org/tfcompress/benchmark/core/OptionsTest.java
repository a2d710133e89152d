package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.Test;

public final class OptionsTest {
  private static Options parse(String... pairs) {
    Map<String, String> extras = new HashMap<>();
    for (int i = 0; i < pairs.length; i += 2) {
      extras.put(pairs[i], pairs[i + 1]);
    }
    return Options.parse(extras);
  }

  @Test
  public void onlyModelsMustBeNamed() {
    Options options = parse("models", "/data/local/tmp/a.tflite");
    assertEquals(Collections.singletonList("/data/local/tmp/a.tflite"), options.models);
    assertEquals(Collections.singletonList("cpu"), options.delegates);
    assertEquals(Collections.singletonList(1), options.threads);
    assertFalse(options.fp16);
    assertEquals(10, options.warmupRuns);
    assertEquals(50, options.minRuns);
    assertEquals(10, options.maxSeconds, 0);
    assertEquals(0.01, options.tolerance, 0);
    assertEquals("record.json", options.output);
  }

  @Test
  public void eachCombinationIsAJobAndTheGpuHasNoThreads() {
    Options options = parse(
        "models", "a.tflite, b.tflite", "delegate", "cpu,gpu", "threads", "1,4", "fp16", "true",
        "warmup_runs", "0", "min_runs", "7", "max_seconds", "2.5", "output", "r-1.json");
    List<Job> jobs = Job.of(options);
    StringBuilder text = new StringBuilder();
    for (Job job : jobs) {
      text.append(job.model).append(' ').append(job.delegate).append(job.threads).append(", ");
    }
    assertEquals(
        "a.tflite cpu1, a.tflite cpu4, a.tflite gpu1, b.tflite cpu1, b.tflite cpu4, b.tflite gpu1, ",
        text.toString());
    assertEquals(0.05, options.tolerance, 0); // 16 bits agree less
  }

  @Test
  public void whatCannotBeUsedIsNamedWithWhatIsAllowed() {
    for (List<String> wrong :
        Arrays.asList(
            Arrays.asList("delegate", "nnapi", "cpu, gpu or cpu,gpu"),
            Arrays.asList("threads", "0", "whole number from 1.0 to 64.0"),
            Arrays.asList("threads", "two", "whole number"),
            Arrays.asList("fp16", "yes", "true or false"),
            Arrays.asList("min_runs", "0", "from 1.0"),
            Arrays.asList("min_runs", "1e3", "whole number"),
            Arrays.asList("max_seconds", "NaN", "number from 0.001"),
            Arrays.asList("max_seconds", "-1", "number from 0.001"),
            Arrays.asList("output", "../x.json", "without a folder"),
            Arrays.asList("output_folder", "..", "without a slash"),
            Arrays.asList("output", "x.txt", "ends in .json"))) {
      IllegalArgumentException error =
          assertThrows(
              wrong.toString(),
              IllegalArgumentException.class,
              () -> parse("models", "a.tflite", wrong.get(0), wrong.get(1)));
      String received = "Received: " + wrong.get(0) + "=\"" + wrong.get(1) + "\"";
      assertTrue(error.getMessage(), error.getMessage().contains(received));
      assertTrue(error.getMessage(), error.getMessage().contains(wrong.get(2)));
    }
  }

  @Test
  public void anUnknownOptionAndNoModelAreRefused() {
    IllegalArgumentException unknown =
        assertThrows(
            IllegalArgumentException.class, () -> parse("models", "a.tflite", "thread", "2"));
    assertTrue(unknown.getMessage().contains("Received: thread; it must be one of models,"));
    assertThrows(IllegalArgumentException.class, () -> parse("models", " , "));
    assertThrows(IllegalArgumentException.class, () -> parse());
  }
}
