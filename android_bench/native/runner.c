/* Measure a .tflite file with LiteRT's C library, on the CPU or the GPU accelerator.
 *
 *     runner --library libLiteRt.so --model m.tflite --delegate cpu|gpu
 *            [--accelerator lib.so] --threads N --warmup N --min-runs N
 *            --max-seconds S [--fp16] [--profile] [--input FILE ...]
 *            [--output-folder FOLDER] [--library-version TEXT] --json OUT
 *
 * The answer is one JSON object in OUT.  An error is one line on stderr, the same line
 * as `error` in OUT, and an exit code: 2 usage, 3 library, 4 model, 5 run.
 */
#include <unistd.h>

#include "runner.h"

/* The profile is an extra: without one (a GPU backend may have none) the run stands. */
static void add_profile(const Options *options, Result *result) {
  static char line[512];
  Session profiled;
  if (!json_write(options, result)) return; /* should the profiler crash */
  crash_stage("profiling the model");
  if (session_open(&profiled, options, true) &&
      profile(&profiled, options, &result->profile))
    return;
  snprintf(line, sizeof line, "%s", error_line());
  result->profile = (Profile){.error = line};
  clear_error();
}

static bool work(const Options *options, Session *session, Result *result) {
  crash_stage("loading the library");
  if (!litert_load(options->library)) return false;
  result->before_bytes = memory_bytes("VmRSS");
  double started = now_ms();
  if (!session_open(session, options, false)) return false;
  result->init_ms = now_ms() - started;
  crash_stage("running the model");
  if (!inputs_fill(session, options) || !measure(session, options, result))
    return false;
  if (options->output_folder != NULL &&
      !outputs_write(session, options->output_folder))
    return false;
  if (options->profile) add_profile(options, result);
  return true;
}

int main(int argc, char **argv) {
  Options options;
  Session session = {.applied = "none"};
  Result result = {.session = &session};
  if (parse_options(argc, argv, &options)) {
    remove(options.json); /* an old answer is not this run's */
    crash_watch(options.json);
    work(&options, &session, &result);
  }
  if (options.json != NULL) json_write(&options, &result);
  if (error_line() != NULL) fprintf(stderr, "runner: %s\n", error_line());
  fflush(NULL);
  _exit(error_code()); /* a damaged file may crash the library's own clean-up */
}
