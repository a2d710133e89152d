package org.tfcompress.modelfile;

/** A file, or a note inside it, that cannot be read; the message says what to do. */
public final class ModelFileException extends Exception {
  private static final long serialVersionUID = 1L;

  public ModelFileException(String message) {
    super(message);
  }

  public ModelFileException(String message, Throwable cause) {
    super(message, cause);
  }
}
