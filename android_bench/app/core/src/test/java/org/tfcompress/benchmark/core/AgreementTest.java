package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertFalse;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.Test;

public final class AgreementTest {
  private static final List<float[]> CPU =
      Arrays.asList(new float[] {0, 2, -4}, new float[] {1, 0.5f});

  @Test
  public void theWorstOutputCountsAsAShareOfTheLargestValue() {
    List<float[]> other = Arrays.asList(new float[] {0.2f, 2, -4}, new float[] {1, 0.4f});
    Agreement agreement = Agreement.of(CPU, other, 0.06);
    assertEquals(0.1, agreement.difference, 1e-6); // 0.1 of 1, not 0.2 of 4
    assertFalse(agreement.agrees);
    assertTrue(Agreement.of(CPU, other, 0.11).agrees);
    assertTrue(agreement.telling);
  }

  @Test
  public void garbageNeverAgrees() {
    for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY, 1e30f}) {
      List<float[]> other = Arrays.asList(new float[] {0, value, -4}, CPU.get(1));
      assertFalse(Agreement.of(CPU, other, 0.99).agrees);
    }
    List<float[]> zeros = Arrays.asList(new float[3], new float[2]);
    assertFalse(Agreement.of(CPU, zeros, 0.5).agrees);
    assertFalse(Agreement.of(zeros, CPU, 0.5).agrees);
  }

  @Test
  public void anotherShapeNeverAgrees() {
    assertFalse(Agreement.of(CPU, CPU.subList(0, 1), 0.5).agrees);
    List<float[]> shorter = Arrays.asList(new float[2], CPU.get(1));
    assertFalse(Agreement.of(CPU, shorter, 0.5).agrees);
  }

  @Test
  public void equalOutputsOfOneValueProveNothing() {
    List<float[]> uniform = Collections.singletonList(new float[] {0.1f, 0.1f, 0.1f});
    Agreement agreement = Agreement.of(uniform, uniform, 0.01);
    assertTrue(agreement.agrees);
    assertFalse(agreement.telling);
  }

  @Test
  public void theRecordHoldsAllOfIt() {
    assertEquals(
        "{agrees=true, difference=0.0, tolerance=0.01, telling=true}",
        Agreement.of(CPU, CPU, 0.01).toMap().toString());
  }
}
