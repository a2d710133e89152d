package org.tfcompress.benchmark.core;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Collections;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The peak of this process's memory, as Linux counts it. */
public final class Memory {
  private static final Pattern PEAK = Pattern.compile("VmHWM:\\s*(\\d+) kB");

  private Memory() {}

  /** Returns the peak in bytes; 0 where the system does not say. */
  public static long peakBytes() {
    try {
      return peakBytes(
          Files.readAllLines(new File("/proc/self/status").toPath(), StandardCharsets.UTF_8));
    } catch (IOException error) {
      return peakBytes(Collections.emptyList());
    }
  }

  static long peakBytes(List<String> status) {
    for (String line : status) {
      Matcher peak = PEAK.matcher(line);
      if (peak.matches()) {
        return 1024 * Long.parseLong(peak.group(1));
      }
    }
    return 0;
  }
}
