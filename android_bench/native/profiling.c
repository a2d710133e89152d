/* Time every operator, with the library's profiler, in runs of their own.
 *
 * The profiler slows the run it looks at, so none of its runs is a sample.  It counts
 * whole microseconds: the shortest operators are known to about half of one.
 */
#include <stdlib.h>
#include <string.h>

#include "runner.h"

enum { OPERATOR = 2, IN_DELEGATE = 4, PROFILED_IN_DELEGATE = 8 };
enum { RUNS = 30, WARMUP = 3 };

static OpTime *find(Profile *profile, const char *name, const char *type,
                    uint64_t index) {
  for (size_t i = 0; i < profile->count; i++) {
    OpTime *op = &profile->ops[i];
    if (op->index == index && op->type == type && strcmp(op->name, name) == 0)
      return op;
  }
  if (profile->count == profile->capacity) {
    size_t capacity = profile->capacity == 0 ? 64 : 2 * profile->capacity;
    OpTime *grown = realloc(profile->ops, capacity * sizeof *grown);
    if (grown == NULL) return NULL;
    profile->ops = grown;
    profile->capacity = capacity;
  }
  OpTime *op = &profile->ops[profile->count++];
  *op = (OpTime){.type = type, .index = index};
  snprintf(op->name, sizeof op->name, "%s", name);
  return op;
}

/* An operator in a delegate is told apart from its neighbours by its index. */
static bool add(Profile *profile, const LiteRtProfilerEvent *event) {
  bool inside = (event->type & (IN_DELEGATE | PROFILED_IN_DELEGATE)) != 0;
  const char *type = inside ? "delegate_operator" : "operator";
  OpTime *op = find(profile, event->tag == NULL ? "" : event->tag, type,
                    event->metadata1);
  if (op == NULL) return fail(EXIT_RUN, "out of memory");
  op->total_us += (double)event->elapsed_us;
  op->calls++;
  return true;
}

static bool collect(Profile *profile, LiteRtHandle profiler) {
  int count = 0;
  if (litert.GetNumProfilerEvents(profiler, &count) != 0)
    return fail(EXIT_RUN, "the profiler gave no events");
  if (count <= 0) return true;
  LiteRtProfilerEvent *events = calloc((size_t)count, sizeof *events);
  bool fine = events != NULL && litert.GetProfilerEvents(profiler, count, events) == 0;
  if (!fine) fail(EXIT_RUN, "the profiler's events cannot be read");
  for (int i = 0; fine && i < count; i++)
    if ((events[i].type & (OPERATOR | IN_DELEGATE | PROFILED_IN_DELEGATE)) != 0)
      fine = add(profile, &events[i]);
  free(events);
  return fine;
}

static bool run_once(Session *session, LiteRtHandle profiler, Profile *profile) {
  if (litert.ResetProfiler(profiler) != 0 || litert.StartProfiler(profiler) != 0)
    return fail(EXIT_RUN, "the profiler cannot be started");
  double started = now_ms();
  bool fine = session_run(session);
  profile->run_ms += (now_ms() - started) / RUNS;
  if (litert.StopProfiler(profiler) != 0)
    return fail(EXIT_RUN, "the profiler cannot be stopped");
  return fine && collect(profile, profiler);
}

bool profile(Session *session, const Options *options, Profile *profile) {
  LiteRtHandle profiler = NULL;
  if (!inputs_fill(session, options)) return false;
  if (litert.CompiledModelGetProfiler(session->compiled, &profiler) != 0 ||
      profiler == NULL)
    return fail(EXIT_RUN, "this library has no profiler");
  bool fine = true;
  for (int i = 0; fine && i < WARMUP; i++) fine = session_run(session);
  for (int i = 0; fine && i < RUNS; i++) fine = run_once(session, profiler, profile);
  profile->runs = RUNS;
  return fine;
}
