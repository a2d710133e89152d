package org.tfcompress.benchmark.core;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * What the app is asked to measure, read from the texts of an intent's extras.
 *
 * <p>Several models, delegates and numbers of threads are separated by commas; each combination is
 * one run.
 */
public final class Options {
  public static final List<String> KEYS =
      Collections.unmodifiableList(
          Arrays.asList(
              "models", "delegate", "threads", "fp16", "warmup_runs", "min_runs", "max_seconds",
              "tolerance", "inputs", "output", "output_folder"));

  /** Paths of .tflite files. */
  public final List<String> models;

  /** Of {@code cpu} and {@code gpu}. */
  public final List<String> delegates;

  public final List<Integer> threads;

  /** Whether the GPU may compute in 16-bit floats. */
  public final boolean fp16;

  public final int warmupRuns;
  public final int minRuns;
  public final double maxSeconds;

  /** Largest difference of an output from the CPU's, as a share of the CPU's largest value. */
  public final double tolerance;

  /** Raw input tensors in the model's order; empty: noise. */
  public final List<String> inputs;

  /** Name of the record in the app's folder. */
  public final String output;

  /** Where outputs are written as raw tensors, in the app's folder; null: nowhere. */
  public final String outputFolder;

  private Options(Map<String, String> extras) {
    checkKnown(extras);
    models = items(extras, "models", "");
    delegates = items(extras, "delegate", "cpu");
    threads = new ArrayList<>();
    for (String item : items(extras, "threads", "1")) {
      threads.add((int) number("threads", item, 1, 64, true));
    }
    fp16 = bool(extras, "fp16");
    warmupRuns = (int) number(extras, "warmup_runs", "10", 0, 1_000_000, true);
    minRuns = (int) number(extras, "min_runs", "50", 1, 1_000_000, true);
    maxSeconds = number(extras, "max_seconds", "10", 1e-3, 3600, false);
    tolerance = number(extras, "tolerance", fp16 ? "0.05" : "0.01", 1e-9, 1, false);
    inputs = items(extras, "inputs", "");
    output = text(extras, "output", "record.json");
    outputFolder = text(extras, "output_folder", null);
    check();
  }

  /**
   * Reads the extras.
   *
   * @throws IllegalArgumentException if one is unknown or out of its range
   */
  public static Options parse(Map<String, String> extras) {
    return new Options(extras);
  }

  private void check() {
    if (models.isEmpty()) {
      throw wrong("models", "", "paths of .tflite files, separated by commas");
    }
    for (String delegate : delegates) {
      if (!delegate.equals("cpu") && !delegate.equals("gpu")) {
        throw wrong("delegate", delegate, "cpu, gpu or cpu,gpu");
      }
    }
    if (!output.matches("[A-Za-z0-9_][A-Za-z0-9._-]*\\.json")) {
      throw wrong("output", output, "a file name that ends in .json, without a folder");
    }
    if (outputFolder != null && !outputFolder.matches("[A-Za-z0-9_][A-Za-z0-9._-]*")) {
      throw wrong("output_folder", outputFolder, "a name without a slash");
    }
  }

  private static void checkKnown(Map<String, String> extras) {
    for (String key : new TreeSet<>(extras.keySet())) {
      if (!KEYS.contains(key)) {
        throw new IllegalArgumentException(
            "Unknown option. Received: " + key + "; it must be one of "
                + String.join(", ", KEYS) + ". Correct the name behind --es.");
      }
    }
  }

  private static String text(Map<String, String> extras, String key, String fallback) {
    String value = extras.get(key);
    return value == null || value.trim().isEmpty() ? fallback : value.trim();
  }

  private static List<String> items(Map<String, String> extras, String key, String fallback) {
    List<String> items = new ArrayList<>();
    for (String item : text(extras, key, fallback).split(",")) {
      if (!item.trim().isEmpty()) {
        items.add(item.trim());
      }
    }
    return Collections.unmodifiableList(items);
  }

  private static boolean bool(Map<String, String> extras, String key) {
    String value = text(extras, key, "false");
    if (!value.equals("true") && !value.equals("false")) {
      throw wrong(key, value, "true or false");
    }
    return value.equals("true");
  }

  private static double number(
      Map<String, String> extras, String key, String fallback, double low, double high,
      boolean whole) {
    return number(key, text(extras, key, fallback), low, high, whole);
  }

  private static double number(
      String key, String value, double low, double high, boolean whole) {
    String wanted = String.format(
        java.util.Locale.ROOT, "a %snumber from %s to %s", whole ? "whole " : "", low, high);
    double number;
    try {
      number = whole ? Integer.parseInt(value) : Double.parseDouble(value);
    } catch (NumberFormatException error) {
      throw wrong(key, value, wanted);
    }
    if (!(number >= low && number <= high)) {
      throw wrong(key, value, wanted);
    }
    return number;
  }

  private static IllegalArgumentException wrong(String key, String value, String wanted) {
    return new IllegalArgumentException(
        "An option cannot be used. Received: " + key + "=\"" + value + "\"; it must be " + wanted
            + ". Pass it as --es " + key + " VALUE.");
  }
}
