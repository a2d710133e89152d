package org.tfcompress.modelfile;

import static org.junit.Assert.assertArrayEquals;
import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.Test;

public final class RankingTest {
  @Test
  public void anOutputOfTheRuntimeGetsItsLabel() throws Exception {
    ModelFile file = Fixture.model();
    Map<String, Object> one = Fixture.list("pictures").get(0);
    float[] scores = file.outputs.get(0).dequantize(Fixture.decoded(one.get("output")));
    assertArrayEquals(Fixture.floats(one.get("scores")), scores, 0);
    List<Ranking.Scored> best = Ranking.top(scores, file.labels(), 3);
    assertEquals(3, best.size());
    assertEquals("T-shirt/top", best.get(0).label);
    assertEquals("T-shirt/top 0.87", best.get(0).toString());
  }

  @Test
  public void classesWithoutLabelsAreNumbered() {
    List<Ranking.Scored> best =
        Ranking.top(new float[] {0.1f, 0.7f, 0.7f}, Collections.emptyList(), 9);
    assertEquals("1", best.get(0).label); // of equal ones the first
    assertEquals("2", best.get(1).label);
    assertEquals(3, best.size());
  }

  @Test
  public void labelsOfAnotherOutputAreRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> Ranking.top(new float[2], Arrays.asList("a", "b", "c"), 1));
  }
}
