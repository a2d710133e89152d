package org.tfcompress.benchmark.core;

import java.util.ArrayList;
import java.util.List;

/** One model on one delegate with so many threads. */
public final class Job {
  public final String model;
  public final String delegate;
  public final int threads;
  public final Options options;

  private Job(String model, String delegate, int threads, Options options) {
    this.model = model;
    this.delegate = delegate;
    this.threads = threads;
    this.options = options;
  }

  /** Returns every combination; threads mean nothing to a GPU, which is measured once. */
  public static List<Job> of(Options options) {
    List<Job> jobs = new ArrayList<>();
    for (String model : options.models) {
      for (String delegate : options.delegates) {
        boolean gpu = delegate.equals("gpu");
        for (int threads : gpu ? options.threads.subList(0, 1) : options.threads) {
          jobs.add(new Job(model, delegate, threads, options));
        }
      }
    }
    return jobs;
  }
}
