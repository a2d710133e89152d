package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.Test;

/** The quoted lines are those of real runs. */
public final class PartitionTest {
  private static final List<String> PARTIAL =
      Arrays.asList(
          "INFO: [gpu_environment.h:155] Created LiteRT GpuEnvironment.",
          "ERROR: Following operations are not supported by GPU delegate:",
          "ARG_MAX: Tensor type(INT64) is not supported. o",
          "1 operations will run on the GPU, and the remaining 1 operations will run on the CPU.",
          "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.");
  private static final List<String> NONE =
      Arrays.asList(
          "ERROR: Following operations are not supported by GPU delegate:",
          "ADD: Tensor dimensions must be less than 5. mul",
          "MUL: Tensor dimensions must be less than 5. x",
          "SUM: Unknown layout.",
          "TRANSPOSE: Permutation for transpose is invalid.",
          "No operations will run on the GPU, and all 4 operations will run on the CPU.");

  @Test
  public void aPartIsCountedAndTheRefusedOperatorIsNamed() {
    Partition partition = Partition.read(PARTIAL, 2, false);
    assertEquals("partial", partition.applied);
    assertEquals(1, partition.delegatedOps);
    assertEquals(2, partition.totalOps);
    assertEquals(
        Collections.singletonList("ARG_MAX: Tensor type(INT64) is not supported. o"),
        partition.refused);
  }

  @Test
  public void nothingOnTheGpuIsNone() {
    Partition partition = Partition.read(NONE, 4, false);
    assertEquals("none", partition.applied);
    assertEquals(0, partition.delegatedOps);
    assertEquals(4, partition.refused.size());
  }

  @Test
  public void silenceIsFullOnlyWhenTheGpuWasAskedForAlone() {
    List<String> quiet = Arrays.asList("INFO: Created LiteRT GpuEnvironment.", "");
    assertEquals("full", Partition.read(quiet, 9, true).applied);
    assertEquals(9, Partition.read(quiet, 9, true).delegatedOps);
    assertThrows(IllegalStateException.class, () -> Partition.read(quiet, 9, false));
  }

  @Test
  public void aRefusalWithoutCountsIsNoNumber() {
    List<String> cut = PARTIAL.subList(0, 3);
    IllegalStateException error =
        assertThrows(IllegalStateException.class, () -> Partition.read(cut, 2, true));
    assertEquals(true, error.getMessage().contains("ARG_MAX"));
  }

  @Test
  public void theLogIsBelievedAgainstAStrictCompilation() {
    assertEquals("partial", Partition.read(PARTIAL, 2, true).applied);
  }

  @Test
  public void aRepeatedLineCountsOnceAndSubGraphsAddUp() {
    String whole =
        "9 operations will run on the GPU, and the remaining 1 operations will run on the CPU.";
    assertEquals(9, Partition.read(Arrays.asList(whole, whole), 10, false).delegatedOps);
    Partition two =
        Partition.read(
            Arrays.asList(
                whole,
                "No operations will run on the GPU, and all 2 operations will run on the CPU."),
            12, false);
    assertEquals(9, two.delegatedOps);
    assertEquals(12, two.totalOps);
  }

  @Test
  public void linesOfOtherProgramsBetweenAreNoOperators() {
    List<String> mixed =
        Arrays.asList(
            "Next operations are not supported by GPU delegate:",
            "ROUND: Operation is not supported.",
            "ActivityManager said: something",
            "CAMERA: open",
            "First 3 operations will run on the GPU, and the remaining 1 on the CPU.");
    Partition partition = Partition.read(mixed, 4, false);
    assertEquals(3, partition.delegatedOps);
    assertEquals(Collections.singletonList("ROUND: Operation is not supported."), partition.refused);
  }
}
