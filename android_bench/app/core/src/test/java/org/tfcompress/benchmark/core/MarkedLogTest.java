package org.tfcompress.benchmark.core;

import static org.junit.Assert.assertEquals;
import static org.junit.Assert.assertThrows;
import static org.junit.Assert.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.Test;

public final class MarkedLogTest {
  /** A log whose lines can be read only after some pauses. */
  private static final class Late implements MarkedLog.Source {
    final List<String> written = new ArrayList<>();
    int delay;
    int pauses;

    @Override
    public void write(String line) {
      written.add(line);
    }

    @Override
    public List<String> read() {
      return pauses < delay ? written.subList(0, written.size() - 1) : written;
    }

    @Override
    public void pause() {
      pauses++;
    }
  }

  @Test
  public void onlyWhatCameBetweenTheMarksIsRead() throws Exception {
    Late source = new Late();
    MarkedLog log = new MarkedLog(source);
    source.write("before");
    log.mark();
    source.write("first");
    log.mark();
    source.write("second");
    source.write("third");
    assertEquals(Arrays.asList("second", "third"), log.lines());
  }

  @Test
  public void lateLinesAreWaitedFor() throws Exception {
    Late source = new Late();
    source.delay = 3;
    MarkedLog log = new MarkedLog(source);
    log.mark();
    source.write("late");
    assertEquals(Arrays.asList("late"), log.lines());
    assertEquals(3, source.pauses);
  }

  @Test
  public void aLogThatStaysSilentIsAnError() throws Exception {
    Late source = new Late();
    source.delay = Integer.MAX_VALUE;
    MarkedLog log = new MarkedLog(source);
    log.mark();
    IllegalStateException error = assertThrows(IllegalStateException.class, log::lines);
    assertTrue(error.getMessage().contains("tfcompress mark 1 end"));
  }
}
