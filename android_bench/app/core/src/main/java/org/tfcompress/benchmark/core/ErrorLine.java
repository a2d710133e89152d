package org.tfcompress.benchmark.core;

/** An error in one line, short enough for a table. */
public final class ErrorLine {
  private static final int LONGEST = 500;

  private ErrorLine() {}

  /** Returns the message, or the class's name where there is none. */
  public static String of(Throwable error) {
    String message = error.getMessage();
    boolean plain = error instanceof IllegalArgumentException
        || error instanceof IllegalStateException
        || error.getClass().getName().startsWith("org.tfcompress.");
    String text = message == null || message.trim().isEmpty() ? error.getClass().getSimpleName()
        : plain ? message : error.getClass().getSimpleName() + ": " + message;
    String line = text.trim().replaceAll("\\s+", " ");
    return line.length() <= LONGEST ? line : line.substring(0, LONGEST - 3) + "...";
  }
}
