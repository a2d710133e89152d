package org.tfcompress.benchmark.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Which operators the GPU took, read from the runtime's log.
 *
 * <p>The runtime has no call that tells it: {@code isFullyAccelerated} has been seen true with no
 * operator on the GPU. Its log is the evidence. It names refused operators, one a line, between
 * these two:
 *
 * <pre>
 * Following operations are not supported by GPU delegate:
 * ARG_MAX: Tensor type(INT64) is not supported. o
 * 1 operations will run on the GPU, and the remaining 1 operations will run on the CPU.
 * </pre>
 *
 * Without such lines, a model that compiled for the GPU alone is on it in full.
 */
public final class Partition {
  private static final Pattern SPLIT =
      Pattern.compile(
          "(?:First )?(\\d+) operations will run on the GPU, and the remaining (\\d+)"
              + "(?: operations will run)? on the CPU\\.");
  private static final Pattern NONE =
      Pattern.compile("No operations will run on the GPU, and all (\\d+) operations");
  private static final Pattern HEADER =
      Pattern.compile("(?:Following|Next) operations are not supported by GPU delegate:");
  private static final Pattern REFUSED = Pattern.compile("(?!INFO:|WARNING:|ERROR:)([A-Z][A-Z0-9_]*|CUSTOM \\S+):.*");

  /** {@code none}, {@code partial} or {@code full}. */
  public final String applied;

  public final int delegatedOps;
  public final int totalOps;

  /** What was refused and why, as the runtime says it. */
  public final List<String> refused;

  private Partition(int delegated, int total, List<String> refused) {
    this.delegatedOps = delegated;
    this.totalOps = total;
    this.refused = Collections.unmodifiableList(refused);
    this.applied = delegated == 0 ? "none" : delegated < total ? "partial" : "full";
  }

  /** Returns the partition of a run on the CPU alone. */
  public static Partition cpu(int totalOps) {
    return new Partition(0, totalOps, new ArrayList<>());
  }

  /**
   * Reads the log of one compilation.
   *
   * <p>A line about all of the file's operators counts alone, since the runtime may print it more
   * than once; lines about fewer are those of sub-graphs and add up.
   *
   * @param lines may hold anything else as well
   * @param totalOps operators in the file
   * @param strict whether the model compiled for the GPU alone
   * @throws IllegalStateException if the log leaves open what the GPU took
   */
  public static Partition read(List<String> lines, int totalOps, boolean strict) {
    List<String> refused = refused(lines);
    int delegated = -1;
    int total = 0;
    for (String line : lines) {
      int[] counts = counts(line);
      if (counts != null) {
        boolean whole = counts[1] == totalOps;
        delegated = (whole ? 0 : Math.max(delegated, 0)) + counts[0];
        total = (whole ? 0 : total) + counts[1];
      }
    }
    if (delegated >= 0) {
      return new Partition(delegated, total, refused);
    }
    if (strict && refused.isEmpty()) {
      return new Partition(totalOps, totalOps, refused);
    }
    throw new IllegalStateException(
        "The runtime's log does not say what the GPU took. Received: " + lines.size()
            + " lines, refused: " + refused + "; a line with two counts was expected. Look at"
            + " `adb logcat`.");
  }

  private static List<String> refused(List<String> lines) {
    Set<String> refused = new LinkedHashSet<>();
    boolean listing = false;
    for (String line : lines) {
      boolean item = listing && REFUSED.matcher(line.trim()).matches();
      if (item) {
        refused.add(line.trim());
      }
      listing = item || HEADER.matcher(line).find();
    }
    return new ArrayList<>(refused);
  }

  /** Returns how many operators went to the GPU, and of how many; null for another line. */
  private static int[] counts(String line) {
    Matcher split = SPLIT.matcher(line);
    if (split.find()) {
      int taken = Integer.parseInt(split.group(1));
      return new int[] {taken, taken + Integer.parseInt(split.group(2))};
    }
    Matcher none = NONE.matcher(line);
    return none.find() ? new int[] {0, Integer.parseInt(none.group(1))} : null;
  }
}
