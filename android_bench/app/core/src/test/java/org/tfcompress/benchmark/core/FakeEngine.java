package org.tfcompress.benchmark.core;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** A runtime that takes 2 ms for a run, 1 ms to read, and does what a test tells it. */
final class FakeEngine implements Engine.Factory, Engine.Log {
  final List<String> events = new ArrayList<>();
  final List<String> logged = new ArrayList<>();
  long now;
  RuntimeException alone; // what the GPU alone throws
  RuntimeException together; // what the GPU beside the CPU throws
  byte[] cpuOutput = {-128, 0, 64}; // 0, 0.5 and 0.75 by the file's scale
  byte[] gpuOutput = cpuOutput;
  int open;
  int failAfter = Integer.MAX_VALUE;

  @Override
  public Engine open(Job job, Engine.Target target, List<Object> inputs) {
    events.add("open " + target + " " + job.threads);
    RuntimeException failure =
        target == Engine.Target.GPU ? alone : target == Engine.Target.CPU ? null : together;
    now += 5_000_000;
    if (failure != null) {
      throw failure;
    }
    open++;
    return new Running(target);
  }

  @Override
  public String libraryVersion() {
    return "LiteRT 2.3.0";
  }

  @Override
  public void mark() {}

  @Override
  public List<String> lines() {
    return logged;
  }

  private final class Running implements Engine {
    private final Target target;
    private int runs;

    Running(Target target) {
      this.target = target;
    }

    @Override
    public void run() {
      now += 2_000_000;
      if (++runs > failAfter) {
        throw new IllegalStateException("the driver is gone");
      }
    }

    @Override
    public void await() {
      now += 1_000_000;
    }

    @Override
    public List<Object> outputs() {
      return Collections.singletonList(target == Target.CPU ? cpuOutput : gpuOutput);
    }

    @Override
    public void close() {
      open--;
      events.add("close " + target);
    }
  }
}
