/* Write what was measured as one JSON object, complete or not at all. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

static void text_n(FILE *file, const char *value, size_t length) {
  fputc('"', file);
  for (size_t i = 0; i < length; i++) {
    unsigned char c = (unsigned char)value[i];
    if (c == '"' || c == '\\')
      fprintf(file, "\\%c", c);
    else if (c < 0x20)
      fprintf(file, "\\u%04x", c);
    else
      fputc(c, file);
  }
  fputc('"', file);
}

static void text(FILE *file, const char *key, const char *value) {
  fprintf(file, "  \"%s\": ", key);
  if (value == NULL)
    fputs("null", file);
  else
    text_n(file, value, strlen(value));
  fputs(",\n", file);
}

static void number(FILE *file, const char *key, double value) {
  fprintf(file, "  \"%s\": %.6f,\n", key, value);
}

static void count(FILE *file, const char *key, size_t value) {
  fprintf(file, "  \"%s\": %zu,\n", key, value);
}

static void bytes(FILE *file, const char *key, size_t value) {
  if (value == 0)
    fprintf(file, "  \"%s\": null,\n", key);
  else
    count(file, key, value);
}

static void tensors(FILE *file, const char *key, const Tensor *items, size_t number,
                    const char *folder) {
  fprintf(file, "  \"%s\": [", key);
  for (size_t i = 0; i < number; i++) {
    fputs(i == 0 ? "\n    {\"name\": " : ",\n    {\"name\": ", file);
    text_n(file, items[i].name, strlen(items[i].name));
    fprintf(file, ", \"type\": \"%s\", \"bytes\": %zu, \"shape\": [",
            element_name(items[i].type.element_type), items[i].bytes);
    for (unsigned d = 0; d < items[i].type.rank; d++)
      fprintf(file, d == 0 ? "%d" : ", %d", items[i].type.dimensions[d]);
    fputs("]", file);
    if (folder != NULL) fprintf(file, ", \"file\": \"output_%zu.bin\"", i);
    fputs("}", file);
  }
  fputs(number == 0 ? "],\n" : "\n  ],\n", file);
}

typedef struct {
  FILE *file;
  size_t number;
} List;

static void refused(const char *line, size_t length, void *context) {
  List *list = context;
  fputs(list->number++ == 0 ? "\n    " : ",\n    ", list->file);
  text_n(list->file, line, length);
}

static void partition(FILE *file, const Session *session) {
  text(file, "delegate_applied", session->applied);
  count(file, "delegated_ops", session->delegated_ops);
  count(file, "total_ops", session->total_ops);
  fputs("  \"refused_ops\": [", file);
  List list = {.file = file};
  partition_refused(session, refused, &list);
  fputs(list.number == 0 ? "],\n" : "\n  ],\n", file);
}

static void samples(FILE *file, const Samples *samples) {
  fputs("  \"samples_ms\": [", file);
  for (size_t i = 0; i < samples->count; i++)
    fprintf(file, i == 0 ? "%.6f" : ", %.6f", samples->ms[i]);
  fputs("],\n", file);
  fprintf(file, "  \"stable\": %s,\n", samples->stable ? "true" : "false");
}

static void op_profile(FILE *file, const Profile *profile) {
  fputs("  \"op_profile\": [", file);
  for (size_t i = 0; i < profile->count; i++) {
    const OpTime *op = &profile->ops[i];
    fputs(i == 0 ? "\n    {\"name\": " : ",\n    {\"name\": ", file);
    text_n(file, op->name, strlen(op->name));
    fprintf(file, ", \"index\": %" PRIu64 ", \"type\": \"%s\"", op->index, op->type);
    fprintf(file, ", \"avg_ms\": %.6f, \"calls\": %zu}",
            op->total_us / 1e3 / (double)profile->runs, op->calls);
  }
  fputs(profile->count == 0 ? "],\n" : "\n  ],\n", file);
  count(file, "profile_runs", profile->runs);
  number(file, "profiled_run_ms", profile->run_ms);
  text(file, "profile_error", profile->error);
}

static void record(FILE *file, const Options *options, const Result *result) {
  const Session *session = result->session;
  size_t before = result->before_bytes, peak = result->peak_bytes;
  fputs("{\n  \"schema\": 1,\n", file);
  text(file, "runner", "tfcompress 1");
  text(file, "library_version", options->library_version);
  text(file, "delegate_asked", options->delegate);
  text(file, "precision", options->fp16 ? "fp16" : "fp32");
  fprintf(file, "  \"num_threads\": %d,\n", options->threads);
  partition(file, session);
  number(file, "init_ms", result->init_ms);
  number(file, "first_ms", result->first_ms);
  samples(file, &result->samples);
  bytes(file, "peak_memory_bytes", peak);
  bytes(file, "model_memory_bytes", peak > before && before > 0 ? peak - before : 0);
  op_profile(file, &result->profile);
  tensors(file, "inputs", session->inputs, session->num_inputs, NULL);
  tensors(file, "outputs", session->outputs, session->num_outputs,
          options->output_folder);
  fputs("  \"error\": ", file);
  if (error_line() == NULL)
    fputs("null", file);
  else
    text_n(file, error_line(), strlen(error_line()));
  fputs("\n}\n", file);
}

bool json_write(const Options *options, const Result *result) {
  char path[4096];
  snprintf(path, sizeof path, "%s.part", options->json);
  FILE *file = fopen(path, "w");
  if (file == NULL) return fail(EXIT_RUN, "the answer cannot be written: %s", path);
  record(file, options, result);
  bool fine = ferror(file) == 0;
  if (fclose(file) != 0 || !fine || rename(path, options->json) != 0) {
    remove(path);
    return fail(EXIT_RUN, "the answer cannot be written: %s", options->json);
  }
  return true;
}
