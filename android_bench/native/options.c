/* Read the command line; see `android_bench.native` for what each option means. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

static bool whole(const char *name, const char *text, int least, int *value) {
  char *end;
  errno = 0;
  long number = strtol(text, &end, 10);
  if (errno != 0 || *end != '\0' || end == text || number < least || number > 100000000)
    return fail(EXIT_USAGE, "%s must be a whole number of at least %d, received %s",
                name, least, text);
  *value = (int)number;
  return true;
}

static bool seconds(const char *name, const char *text, double *value) {
  char *end;
  double number = strtod(text, &end);
  if (*end != '\0' || end == text || !isfinite(number) || number <= 0)
    return fail(EXIT_USAGE, "%s must be a number above 0, received %s", name, text);
  *value = number;
  return true;
}

static bool take(const char *name, const char *value, Options *options) {
  if (strcmp(name, "--threads") == 0) return whole(name, value, 1, &options->threads);
  if (strcmp(name, "--warmup") == 0) return whole(name, value, 0, &options->warmup);
  if (strcmp(name, "--min-runs") == 0) return whole(name, value, 1, &options->min_runs);
  if (strcmp(name, "--max-seconds") == 0)
    return seconds(name, value, &options->max_seconds);
  if (strcmp(name, "--input") == 0) {
    if (options->num_inputs == MAX_TENSORS)
      return fail(EXIT_USAGE, "more than %d inputs", MAX_TENSORS);
    options->inputs[options->num_inputs++] = value;
    return true;
  }
  const struct {
    const char *name;
    const char **place;
  } texts[] = {
      {"--library", &options->library},
      {"--library-version", &options->library_version},
      {"--model", &options->model},
      {"--delegate", &options->delegate},
      {"--accelerator", &options->accelerator},
      {"--output-folder", &options->output_folder},
      {"--json", &options->json},
  };
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (strcmp(name, texts[i].name) == 0) {
      *texts[i].place = value;
      return true;
    }
  return fail(EXIT_USAGE, "unknown option %s", name);
}

static bool complete(const Options *options) {
  if (options->library == NULL || options->model == NULL || options->json == NULL)
    return fail(EXIT_USAGE, "--library, --model and --json are needed");
  bool gpu = strcmp(options->delegate, "gpu") == 0;
  if (!gpu && strcmp(options->delegate, "cpu") != 0)
    return fail(EXIT_USAGE, "--delegate must be cpu or gpu, received %s",
                options->delegate);
  if (gpu && options->accelerator == NULL)
    return fail(EXIT_USAGE, "--delegate gpu needs --accelerator");
  return true;
}

bool parse_options(int argc, char **argv, Options *options) {
  *options = (Options){.delegate = "cpu",
                       .threads = 1,
                       .warmup = 10,
                       .min_runs = 50,
                       .max_seconds = 10.0};
  bool fine = true;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--fp16") == 0)
      options->fp16 = true;
    else if (strcmp(argv[i], "--profile") == 0)
      options->profile = true;
    else if (i + 1 == argc)
      fine = fail(EXIT_USAGE, "%s needs a value, or is unknown", argv[i]);
    else {
      fine = take(argv[i], argv[i + 1], options) && fine;
      i++;
    }
  }
  return fine && complete(options);
}
