package org.tfcompress.benchmark.core;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Whether a delegate's outputs are the CPU's: a GPU can return garbage without an error.
 *
 * <p>For each output, the largest difference is taken as a share of the CPU's largest absolute
 * value; the worst output counts.
 */
public final class Agreement {
  public final boolean agrees;

  /** Largest difference over the CPU's largest value; 1 where an output is no number. */
  public final double difference;

  public final double tolerance;

  /** False if the CPU's outputs are all alike: equal outputs then prove nothing. */
  public final boolean telling;

  private Agreement(double difference, double tolerance, boolean telling) {
    this.difference = difference;
    this.tolerance = tolerance;
    this.telling = telling;
    this.agrees = difference <= tolerance;
  }

  /** Compares outputs, which both come in the file's order. */
  public static Agreement of(List<float[]> cpu, List<float[]> other, double tolerance) {
    double worst = cpu.size() == other.size() ? 0 : 1;
    boolean telling = false;
    for (int i = 0; i < Math.min(cpu.size(), other.size()); i++) {
      worst = Math.max(worst, difference(cpu.get(i), other.get(i)));
      telling |= varies(cpu.get(i));
    }
    return new Agreement(worst, tolerance, telling);
  }

  /** Returns JSON values. */
  public Map<String, Object> toMap() {
    Map<String, Object> map = new LinkedHashMap<>();
    map.put("agrees", agrees);
    map.put("difference", difference);
    map.put("tolerance", tolerance);
    map.put("telling", telling);
    return map;
  }

  private static double difference(float[] cpu, float[] other) {
    if (cpu.length != other.length) {
      return 1;
    }
    double largest = 0;
    double peak = 0;
    for (int i = 0; i < cpu.length; i++) {
      double apart = Math.abs((double) cpu[i] - other[i]);
      if (Float.isNaN(cpu[i]) || Float.isInfinite(cpu[i]) || !(apart < Double.MAX_VALUE)) {
        return 1;
      }
      largest = Math.max(largest, apart);
      peak = Math.max(peak, Math.abs((double) cpu[i]));
    }
    return largest == 0 ? 0 : peak == 0 ? 1 : largest / peak;
  }

  private static boolean varies(float[] values) {
    for (float value : values) {
      if (Math.abs(value - values[0]) > 1e-6f * Math.abs(values[0])) {
        return true;
      }
    }
    return false;
  }
}
