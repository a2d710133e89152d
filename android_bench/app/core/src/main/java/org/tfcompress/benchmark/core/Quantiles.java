package org.tfcompress.benchmark.core;

import java.util.Arrays;

/** Quantiles, interpolated between neighbours as the host's code does. */
public final class Quantiles {
  private Quantiles() {}

  /**
   * Returns a quantile.
   *
   * @param values at least one, in any order
   * @param share from 0 to 1
   */
  public static double of(double[] values, double share) {
    double[] ordered = values.clone();
    Arrays.sort(ordered);
    double position = (ordered.length - 1) * share;
    int low = (int) Math.floor(position);
    int high = Math.min(low + 1, ordered.length - 1);
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low);
  }
}
