package org.tfcompress.benchmark.core;

import java.io.File;
import java.util.List;
import java.util.Map;
import org.tfcompress.modelfile.ModelFile;

/**
 * Measures one job from loading to the comparison with the CPU.
 *
 * <ol>
 *   <li>The file is checked before the runtime sees it: a damaged one can crash native code.
 *   <li>A GPU job is compiled for the GPU alone; if that fails, for GPU and CPU together, and the
 *       log tells what went where. If nothing is on the GPU, nothing is timed.
 *   <li>First run, warm-up, then runs until the median has settled. On the GPU the smallest output
 *       is read inside the clock: without it only the queueing of the work may be timed.
 *   <li>The GPU's outputs are compared with the CPU's on the same inputs, after the clock stopped.
 * </ol>
 */
public final class Measurement {
  private final File folder;
  private final Engine.Factory factory;
  private final Engine.Log log;
  private final Settling.Clock clock;

  /**
   * Prepares to measure.
   *
   * @param folder the app's own, where outputs may be written
   */
  public Measurement(
      File folder, Engine.Factory factory, Engine.Log log, Settling.Clock clock) {
    this.folder = folder;
    this.factory = factory;
    this.log = log;
    this.clock = clock;
  }

  /** Measures a job; what goes wrong is the record's {@code error}, and never thrown. */
  public Map<String, Object> run(Job job) {
    RunRecord record = new RunRecord(job, factory.libraryVersion());
    try {
      ModelFile file = ModelFile.read(new File(job.model));
      record.describe(file);
      List<Object> inputs = Inputs.of(file.inputs, job.options.inputs);
      measure(job, file, inputs, record);
    } catch (Exception | LinkageError | OutOfMemoryError error) {
      record.fail(ErrorLine.of(error));
    }
    return record.toMap();
  }

  private void measure(Job job, ModelFile file, List<Object> inputs, RunRecord record)
      throws Exception {
    boolean gpu = job.delegate.equals("gpu");
    Opened opened = gpu ? openOnGpu(job, file, inputs) : open(job, file, inputs, Engine.Target.CPU);
    try (Engine engine = opened.engine) {
      record.initialised(opened.partition, opened.milliseconds);
      if (gpu && opened.partition.delegatedOps == 0) {
        record.fail(nothingDelegated(opened.partition));
        return;
      }
      time(job, engine, gpu, record);
      List<Object> outputs = engine.outputs();
      if (job.options.outputFolder != null) {
        record.written(Tensors.write(outputs, new File(folder, job.options.outputFolder)));
      }
      if (gpu) {
        compare(job, file, inputs, outputs, record);
      }
    }
  }

  private void time(Job job, Engine engine, boolean gpu, RunRecord record) throws Exception {
    Settling.Step step = () -> {
      engine.run();
      if (gpu) {
        engine.await();
      }
    };
    Options options = job.options;
    long before = clock.nanoseconds();
    step.run();
    record.first((clock.nanoseconds() - before) / 1e6);
    Settling.warmUp(step, options.warmupRuns - 1, options.maxSeconds, clock);
    record.timed(Settling.run(step, options.minRuns, options.maxSeconds, clock));
    record.memory(Memory.peakBytes());
  }

  private void compare(
      Job job, ModelFile file, List<Object> inputs, List<Object> outputs, RunRecord record)
      throws Exception {
    try (Engine cpu = factory.open(job, Engine.Target.CPU, inputs)) {
      cpu.run();
      record.compared(
          Agreement.of(
              Tensors.floats(file.outputs, cpu.outputs()),
              Tensors.floats(file.outputs, outputs),
              job.options.tolerance));
    }
  }

  private Opened openOnGpu(Job job, ModelFile file, List<Object> inputs) throws Exception {
    try {
      return open(job, file, inputs, Engine.Target.GPU);
    } catch (Exception alone) {
      try {
        return open(job, file, inputs, Engine.Target.GPU_AND_CPU);
      } catch (Exception together) {
        throw new IllegalStateException(
            "The GPU cannot be used. Received: \"" + ErrorLine.of(alone) + "\" for it alone, \""
                + ErrorLine.of(together) + "\" with the CPU beside it. Measure on the CPU, or try"
                + " another device.",
            together);
      }
    }
  }

  private Opened open(Job job, ModelFile file, List<Object> inputs, Engine.Target target)
      throws Exception {
    log.mark();
    long started = clock.nanoseconds();
    Engine engine = factory.open(job, target, inputs);
    double milliseconds = (clock.nanoseconds() - started) / 1e6;
    if (target == Engine.Target.CPU) {
      return new Opened(engine, Partition.cpu(file.numOperators), milliseconds);
    }
    try {
      boolean strict = target == Engine.Target.GPU;
      return new Opened(
          engine, Partition.read(log.lines(), file.numOperators, strict), milliseconds);
    } catch (Exception unknown) {
      engine.close();
      throw unknown;
    }
  }

  private static String nothingDelegated(Partition partition) {
    return "The GPU took no operator. Received: 0 of " + partition.totalOps + ", refused: "
        + String.join("; ", partition.refused)
        + ". Change the operators in the model, or measure on the CPU.";
  }

  private static final class Opened {
    final Engine engine;
    final Partition partition;
    final double milliseconds;

    Opened(Engine engine, Partition partition, double milliseconds) {
      this.engine = engine;
      this.partition = partition;
      this.milliseconds = milliseconds;
    }
  }
}
