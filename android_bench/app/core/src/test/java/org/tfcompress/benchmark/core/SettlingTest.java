package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import org.junit.Test;

public final class SettlingTest {
  /** A clock that a step moves. */
  private static final class Time implements Settling.Clock {
    long now = 1_000_000_000_000L;

    @Override
    public long nanoseconds() {
      return now;
    }

    void pass(double milliseconds) {
      now += (long) (milliseconds * 1e6);
    }
  }

  @Test
  public void quantilesAreInterpolated() {
    assertEquals(2.5, Quantiles.of(new double[] {4, 1, 3, 2}, 0.5), 0);
    assertEquals(3.7, Quantiles.of(new double[] {1, 2, 3, 4}, 0.9), 1e-12);
    assertEquals(7, Quantiles.of(new double[] {7}, 0.95), 0);
  }

  @Test
  public void theMedianHasSettledWhenBothHalvesAgree() {
    assertFalse(Settling.isSettled(new double[] {5, 5, 4, 4}));
    assertTrue(Settling.isSettled(new double[] {4, 4, 4, 4}));
    assertTrue(Settling.isSettled(new double[] {99, 4, 4.05, 4, 4})); // the odd one is dropped
    assertFalse(Settling.isSettled(new double[] {4}));
  }

  @Test
  public void aSteadyModelRunsForHalfASecondAndThenStops() throws Exception {
    Time time = new Time();
    Settling.Samples samples = Settling.run(() -> time.pass(2), 50, 10, time);
    assertTrue(samples.stable);
    assertEquals(250, samples.milliseconds.length); // 0.5 s of 2 ms
    assertEquals(2, samples.milliseconds[0], 0);
  }

  @Test
  public void aSlowModelMakesTheRunsThatWereAskedFor() throws Exception {
    Time time = new Time();
    Settling.Samples samples = Settling.run(() -> time.pass(1000), 5, 2, time);
    assertEquals(5, samples.milliseconds.length);
    assertTrue(samples.stable);
  }

  @Test
  public void aModelThatGetsSlowerStopsAtTheLimitAndSaysSo() throws Exception {
    Time time = new Time();
    double[] next = {1};
    Settling.Samples samples = Settling.run(() -> time.pass(next[0] *= 1.05), 10, 3, time);
    assertFalse(samples.stable);
    double total = 0;
    for (double sample : samples.milliseconds) {
      total += sample;
    }
    assertTrue(total >= 3000 && total < 3400);
  }

  @Test
  public void warmingUpEndsWithTheRunsOrTheTime() throws Exception {
    Time time = new Time();
    assertEquals(10, Settling.warmUp(() -> time.pass(1), 10, 5, time));
    assertEquals(3, Settling.warmUp(() -> time.pass(400), 10, 1, time));
    assertEquals(0, Settling.warmUp(() -> time.pass(1), 0, 1, time));
  }

  @Test
  public void manySamplesAreKept() throws Exception {
    Time time = new Time();
    Settling.Samples samples = Settling.run(() -> time.pass(1), 1000, 1, time);
    assertEquals(1000, samples.milliseconds.length);
    assertArrayEquals(new double[] {1, 1}, new double[] {
      samples.milliseconds[0], samples.milliseconds[999]}, 0);
  }
}
