package org.tfcompress.modelfile;

import java.util.ArrayList;
import java.util.List;

/** The classes of a classifier's output, best first. */
public final class Ranking {
  private Ranking() {}

  /** A class and its score. */
  public static final class Scored {
    public final String label;
    public final float score;

    Scored(String label, float score) {
      this.label = label;
      this.score = score;
    }

    @Override
    public String toString() {
      return String.format(java.util.Locale.ROOT, "%s %.2f", label, score);
    }
  }

  /**
   * Returns the classes with the highest scores; of equal ones the first comes first.
   *
   * @param labels one for each score; where there are none, a class is called by its number
   */
  public static List<Scored> top(float[] scores, List<String> labels, int count) {
    if (!labels.isEmpty() && labels.size() != scores.length) {
      throw new IllegalArgumentException(
          "The labels are not those of this output. Received: " + labels.size() + " labels for "
              + scores.length + " scores. Rank the output that the classes belong to.");
    }
    List<Scored> all = new ArrayList<>();
    for (int i = 0; i < scores.length; i++) {
      all.add(new Scored(labels.isEmpty() ? Integer.toString(i) : labels.get(i), scores[i]));
    }
    all.sort((one, other) -> Float.compare(other.score, one.score));
    return all.subList(0, Math.min(count, all.size()));
  }
}
