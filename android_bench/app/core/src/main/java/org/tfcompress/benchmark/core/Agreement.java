package org.tfcompress.benchmark.core;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * Whether a delegate's outputs are the CPU's: a GPU can return garbage without an error.
 *
 * <p>The error is the largest difference over the range of the CPU's output (over its largest
 * value, for a single number), and the worst output counts: the rule of the host's {@code
 * android_bench.agreement}.
 */
public final class Agreement {
  /** Null if the outputs cannot be compared. */
  public final Double error;

  public final double tolerance;

  /** Why they do not agree; empty: they do. */
  public final String problem;

  private Agreement(Double error, double tolerance, String problem) {
    this.error = error;
    this.tolerance = tolerance;
    this.problem = problem;
  }

  /** Compares outputs, which both come in the file's order. */
  public static Agreement of(List<float[]> cpu, List<float[]> other, double tolerance) {
    double worst = 0;
    for (int i = 0; i < cpu.size(); i++) {
      String problem = problem(cpu.get(i), other.get(i));
      if (!problem.isEmpty()) {
        return new Agreement(null, tolerance, "output " + i + " " + problem);
      }
      worst = Math.max(worst, largest(cpu.get(i), other.get(i)) / span(cpu.get(i)));
    }
    String problem =
        worst <= tolerance ? "" : String.format(
            Locale.ROOT, "outputs differ by %.3g of their range, over %s", worst, tolerance);
    return new Agreement(worst, tolerance, problem);
  }

  /** Returns JSON values, under the names of the host's record. */
  public Map<String, Object> toMap() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("reference", "cpu");
    map.put("error", error);
    map.put("tolerance", tolerance);
    map.put("problem", problem);
    return map;
  }

  private static String problem(float[] cpu, float[] other) {
    if (cpu.length != other.length || cpu.length == 0) {
      return "has " + other.length + " values, the CPU's " + cpu.length;
    }
    if (!finite(cpu)) {
      return "is not finite on the CPU";
    }
    if (!finite(other)) {
      return "is not finite";
    }
    if (span(cpu) <= 1e-6 * Math.max(peak(cpu), 1e-30)) {
      return "is constant on the CPU, so that agreement would prove nothing";
    }
    return "";
  }

  private static boolean finite(float[] values) {
    for (float value : values) {
      if (Float.isNaN(value) || Float.isInfinite(value)) {
        return false;
      }
    }
    return true;
  }

  private static double peak(float[] values) {
    double peak = 0;
    for (float value : values) {
      peak = Math.max(peak, Math.abs((double) value));
    }
    return peak;
  }

  private static double span(float[] values) {
    double low = values[0];
    double high = values[0];
    for (float value : values) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    return values.length > 1 ? high - low : Math.abs(high);
  }

  private static double largest(float[] cpu, float[] other) {
    double largest = 0;
    for (int i = 0; i < cpu.length; i++) {
      largest = Math.max(largest, Math.abs((double) cpu[i] - other[i]));
    }
    return largest;
  }
}
