package org.tfcompress.benchmark.core;

import java.util.List;

/**
 * The part of a log between two marks.
 *
 * <p>A log arrives late: what is read has all lines only once a mark written afterwards is in it.
 */
public final class MarkedLog implements Engine.Log {
  private static final int TRIES = 20;

  private final Source source;
  private int number;

  /** A log that can be written and read, and a way to wait for it. */
  public interface Source {
    void write(String line) throws Exception;

    List<String> read() throws Exception;

    /** Waits a moment before the next try. */
    void pause() throws Exception;
  }

  public MarkedLog(Source source) {
    this.source = source;
  }

  @Override
  public void mark() throws Exception {
    source.write(mark(++number, "start"));
  }

  @Override
  public List<String> lines() throws Exception {
    String start = mark(number, "start");
    String end = mark(number, "end");
    source.write(end);
    for (int trial = 0; trial < TRIES; trial++) {
      List<String> all = source.read();
      int first = all.lastIndexOf(start);
      int last = all.lastIndexOf(end);
      if (first >= 0 && last > first) {
        return all.subList(first + 1, last);
      }
      source.pause();
    }
    throw new IllegalStateException(
        "The runtime's log cannot be read. Received: no line \"" + end + "\" after " + TRIES
            + " tries. Enlarge the log's buffer in the developer options, and measure again.");
  }

  private static String mark(int number, String word) {
    return "tfcompress mark " + number + " " + word;
  }
}
