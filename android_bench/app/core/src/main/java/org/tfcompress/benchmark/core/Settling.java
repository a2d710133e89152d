package org.tfcompress.benchmark.core;

import java.util.Arrays;

/**
 * Runs until the median has settled: that of the older half equals that of the newer one.
 *
 * <p>The rule and its constants are those of the host's {@code litert_python} backend, so that a
 * phone's figures and a computer's mean the same.
 */
public final class Settling {
  private static final double TOLERANCE = 0.02;
  private static final double GROWTH = 1.1; // runs at the next look, over those at this one
  private static final double MIN_SECONDS = 0.5; // a network of microseconds is over too soon

  private Settling() {}

  /** One inference. */
  public interface Step {
    void run() throws Exception;
  }

  /** Nanoseconds that never go back. */
  public interface Clock {
    long nanoseconds();
  }

  /** The runs that count, in milliseconds, and whether their median had settled. */
  public static final class Samples {
    public final double[] milliseconds;
    public final boolean stable;

    Samples(double[] milliseconds, boolean stable) {
      this.milliseconds = milliseconds;
      this.stable = stable;
    }
  }

  /** Tells whether the medians of both halves differ by 2 % or less. */
  public static boolean isSettled(double[] milliseconds) {
    int half = milliseconds.length / 2;
    if (half == 0) {
      return false;
    }
    int end = milliseconds.length;
    double older = Quantiles.of(Arrays.copyOfRange(milliseconds, end - 2 * half, end - half), 0.5);
    double newer = Quantiles.of(Arrays.copyOfRange(milliseconds, end - half, end), 0.5);
    return Math.abs(older - newer) <= TOLERANCE * newer;
  }

  /**
   * Times a step again and again; nothing but the step lies between two readings of the clock.
   *
   * @param minRuns runs to make at least, whatever the time
   * @param maxSeconds when to stop although the median still moves
   */
  public static Samples run(Step step, int minRuns, double maxSeconds, Clock clock)
      throws Exception {
    double[] samples = new double[Math.max(64, minRuns)];
    int count = 0;
    int nextLook = 0;
    long started = clock.nanoseconds();
    while (true) {
      long before = clock.nanoseconds();
      step.run();
      long after = clock.nanoseconds();
      if (count == samples.length) {
        samples = Arrays.copyOf(samples, 2 * count);
      }
      samples[count++] = (after - before) / 1e6;
      double seconds = (after - started) / 1e9;
      boolean enough = count >= minRuns;
      boolean late = seconds >= maxSeconds;
      if (enough && (late || (seconds >= MIN_SECONDS && count >= nextLook))) {
        nextLook = (int) (count * GROWTH) + 1;
        double[] soFar = Arrays.copyOf(samples, count);
        boolean settled = isSettled(soFar);
        if (settled || late) {
          return new Samples(soFar, settled);
        }
      }
    }
  }

  /** Runs a step {@code runs} times, or until the time is over: a slow model is warm by then. */
  public static int warmUp(Step step, int runs, double maxSeconds, Clock clock) throws Exception {
    long deadline = clock.nanoseconds() + (long) (maxSeconds * 1e9);
    for (int done = 0; done < runs; done++) {
      step.run();
      if (clock.nanoseconds() > deadline) {
        return done + 1;
      }
    }
    return runs;
  }
}
