package org.tfcompress.benchmark.core;

import java.io.File;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.tfcompress.modelfile.ModelFile;
import org.tfcompress.modelfile.TensorInfo;

/**
 * The record of one job, in the words of the native runner's JSON; a few keys more say how.
 *
 * <p>What was not reached stays null or empty.
 */
final class RunRecord {
  static final int SCHEMA = 1;
  static final String RUNNER = "tfcompress-app";

  private final Map<String, Object> values = new LinkedHashMap<>();
  private List<Map<String, Object>> outputs = new ArrayList<>();

  RunRecord(Job job, String libraryVersion) {
    values.put("schema", SCHEMA);
    values.put("runner", RUNNER);
    values.put("library_version", libraryVersion);
    values.put("model", new File(job.model).getName());
    values.put("delegate_asked", job.delegate);
    values.put("num_threads", job.threads);
    boolean half = job.options.fp16 && job.delegate.equals("gpu");
    values.put("precision", half ? "fp16" : "fp32");
    values.put("warmup_runs", job.options.warmupRuns);
    values.put("delegate_applied", "none");
    values.put("delegated_ops", 0);
    values.put("total_ops", null);
    values.put("refused_ops", new ArrayList<>());
    for (String key : new String[] {"init_ms", "first_ms"}) {
      values.put(key, null);
    }
    values.put("samples_ms", new ArrayList<>());
    values.put("stable", false);
    values.put("peak_memory_bytes", null);
    values.put("op_profile", new ArrayList<>()); // the app's API has no profiler
    values.put("inputs", new ArrayList<>());
    values.put("outputs", new ArrayList<>());
    values.put("output_read_in_time", job.delegate.equals("gpu"));
    values.put("agreement", null);
    values.put("error", null);
  }

  void describe(ModelFile file) {
    values.put("total_ops", file.numOperators);
    values.put("inputs", described(file.inputs));
    outputs = described(file.outputs);
    values.put("outputs", outputs);
  }

  void initialised(Partition partition, double milliseconds) {
    values.put("delegate_applied", partition.applied);
    values.put("delegated_ops", partition.delegatedOps);
    values.put("total_ops", partition.totalOps);
    values.put("refused_ops", partition.refused);
    values.put("init_ms", milliseconds);
  }

  void first(double milliseconds) {
    values.put("first_ms", milliseconds);
  }

  void timed(Settling.Samples samples) {
    values.put("samples_ms", samples.milliseconds);
    values.put("stable", samples.stable);
  }

  void memory(long peakBytes) {
    values.put("peak_memory_bytes", peakBytes > 0 ? peakBytes : null);
  }

  void written(List<String> files) {
    for (int i = 0; i < files.size(); i++) {
      outputs.get(i).put("file", files.get(i));
    }
  }

  void compared(Agreement agreement) {
    values.put("agreement", agreement.toMap());
  }

  void fail(String message) {
    values.put("error", message);
  }

  Map<String, Object> toMap() {
    return values;
  }

  private static List<Map<String, Object>> described(List<TensorInfo> tensors) {
    List<Map<String, Object>> list = new ArrayList<>();
    for (TensorInfo tensor : tensors) {
      Map<String, Object> item = new LinkedHashMap<>();
      item.put("name", tensor.name);
      item.put("type", tensor.type);
      item.put("shape", tensor.shape());
      list.add(item);
    }
    return list;
  }
}
