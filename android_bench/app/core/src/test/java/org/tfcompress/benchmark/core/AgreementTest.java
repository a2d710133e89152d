package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertNull;
import static org.junit.Assert.assertTrue;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.Test;

public final class AgreementTest {
  private static final List<float[]> CPU =
      Arrays.asList(new float[] {0, 2, -2}, new float[] {1, 0.5f});

  private static Agreement compare(float... first) {
    return Agreement.of(CPU, Arrays.asList(first, CPU.get(1)), 0.02);
  }

  @Test
  public void theWorstOutputCountsAsAShareOfItsRange() {
    List<float[]> other = Arrays.asList(new float[] {0.2f, 2, -2}, new float[] {1, 0.45f});
    Agreement agreement = Agreement.of(CPU, other, 0.06);
    assertEquals(0.1, agreement.error, 1e-6); // 0.05 of 0.5, not 0.2 of 4
    assertEquals("outputs differ by 0.100 of their range, over 0.06", agreement.problem);
    assertEquals("", Agreement.of(CPU, other, 0.11).problem);
  }

  @Test
  public void garbageNeverAgrees() {
    assertEquals("output 0 is not finite", compare(0, Float.NaN, -2).problem);
    assertEquals("output 0 is not finite", compare(0, 2, Float.NEGATIVE_INFINITY).problem);
    assertNull(compare(0, Float.NaN, -2).error);
    assertTrue(compare(0, 0, 0).problem.startsWith("outputs differ by 0.5"));
    assertTrue(compare(1e30f, 2, -2).problem.startsWith("outputs differ by 2.5"));
  }

  @Test
  public void anotherShapeNeverAgrees() {
    assertEquals("output 0 has 2 values, the CPU's 3", compare(0, 2).problem);
    List<float[]> none = Collections.singletonList(new float[0]);
    assertEquals("output 0 has 0 values, the CPU's 0", Agreement.of(none, none, 0.02).problem);
  }

  @Test
  public void equalOutputsOfOneValueProveNothing() {
    List<float[]> uniform = Collections.singletonList(new float[] {0.1f, 0.1f, 0.1f});
    assertTrue(Agreement.of(uniform, uniform, 0.02).problem.contains("would prove nothing"));
    List<float[]> zero = Collections.singletonList(new float[] {0});
    assertTrue(Agreement.of(zero, zero, 0.02).problem.contains("would prove nothing"));
  }

  @Test
  public void aSingleNumberIsComparedByItsSize() {
    List<float[]> cpu = Collections.singletonList(new float[] {-4});
    List<float[]> other = Collections.singletonList(new float[] {-4.04f});
    assertEquals(0.01, Agreement.of(cpu, other, 0.02).error, 1e-6);
  }

  @Test
  public void theRecordHasTheHostsNames() {
    assertEquals(
        "{reference=cpu, error=0.0, tolerance=0.02, problem=}",
        Agreement.of(CPU, CPU, 0.02).toMap().toString());
  }
}
