package org.tfcompress.benchmark.core;

import java.util.List;

/** A loaded model on one delegate; the runtime stands behind it on a phone, a fake in tests. */
public interface Engine extends AutoCloseable {
  /** Runs one inference. */
  void run() throws Exception;

  /** Reads the smallest output, which waits for a GPU that has only been given its work. */
  void await() throws Exception;

  /** Reads all outputs in the file's order, as arrays of their own type; see {@link Tensors}. */
  List<Object> outputs() throws Exception;

  @Override
  void close();

  /** Where to run a model. */
  enum Target {
    CPU,
    /** The GPU alone: compiling fails if an operator is left over. */
    GPU,
    /** The GPU, and the CPU for what it refuses. */
    GPU_AND_CPU
  }

  /** Opens engines. */
  interface Factory {
    /** Loads a model, compiles it and fills its inputs. */
    Engine open(Job job, Target target, List<Object> inputs) throws Exception;

    /** Returns the name and version of the runtime. */
    String libraryVersion();
  }

  /** The runtime's log, which tells what a delegate took. */
  interface Log {
    /** Forgets what was logged so far. */
    void mark() throws Exception;

    /** Returns what was logged since {@link #mark}. */
    List<String> lines() throws Exception;
  }
}
