/* Warm up, then run until the median of the newer half stays.
 *
 * The same rule as `android_bench.host_child`: only the newer half of the runs counts
 * for the verdict, all runs are returned.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runner.h"

static const double TOLERANCE = 0.02; /* the medians of both halves differ by less */
static const double GROWTH = 1.1;     /* runs at the next look, over those at this */
static const double LEAST_MS = 500;   /* else 50 runs end before the clock rises */
static const size_t MOST_RUNS = 500000;

double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

/* A figure of /proc/self/status in bytes; 0 where there is none. */
size_t memory_bytes(const char *key) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[256];
  size_t kilobytes = 0, length = strlen(key);
  while (file != NULL && fgets(line, sizeof line, file) != NULL)
    if (strncmp(line, key, length) == 0 && line[length] == ':')
      kilobytes = strtoul(line + length + 1, NULL, 10);
  if (file != NULL) fclose(file);
  return kilobytes * 1024;
}

static bool keep(Samples *samples, double ms) {
  if (samples->count == samples->capacity) {
    size_t capacity = samples->capacity == 0 ? 256 : 2 * samples->capacity;
    double *grown = realloc(samples->ms, capacity * sizeof *grown);
    if (grown == NULL) return fail(EXIT_RUN, "out of memory");
    samples->ms = grown;
    samples->capacity = capacity;
  }
  samples->ms[samples->count++] = ms;
  return true;
}

static int ascending(const void *left, const void *right) {
  double a = *(const double *)left, b = *(const double *)right;
  return (a > b) - (a < b);
}

static double median(const double *values, size_t count, double *space) {
  memcpy(space, values, count * sizeof *values);
  qsort(space, count, sizeof *space, ascending);
  return (space[(count - 1) / 2] + space[count / 2]) / 2;
}

static bool settled(const Samples *samples) {
  size_t half = samples->count / 2;
  double *space = half == 0 ? NULL : malloc(half * sizeof *space);
  if (space == NULL) return false;
  const double *end = samples->ms + samples->count;
  double older = median(end - 2 * half, half, space);
  double newer = median(end - half, half, space);
  free(space);
  double change = older > newer ? older - newer : newer - older;
  return change <= TOLERANCE * newer;
}

static bool warm_up(Session *session, const Options *options) {
  double deadline = now_ms() + options->max_seconds * 1e3;
  for (int i = 1; i < options->warmup; i++) { /* the first inference was one */
    if (!session_run(session)) return false;
    if (now_ms() > deadline) return true; /* a slow model is warm by then */
  }
  return true;
}

static bool until_settled(Session *session, const Options *options, Samples *samples) {
  double started = now_ms();
  size_t next_look = 0;
  for (;;) {
    double before = now_ms();
    if (!session_run(session)) return false;
    double after = now_ms();
    if (!keep(samples, after - before)) return false;
    if (samples->count < (size_t)options->min_runs) continue;
    bool over = after - started >= options->max_seconds * 1e3;
    bool look = after - started >= LEAST_MS && samples->count >= next_look;
    if (!over && !look && samples->count < MOST_RUNS) continue;
    next_look = (size_t)((double)samples->count * GROWTH) + 1;
    samples->stable = settled(samples);
    if (samples->stable || over || samples->count >= MOST_RUNS) return true;
  }
}

bool measure(Session *session, const Options *options, Result *result) {
  double started = now_ms();
  if (!session_run(session)) return false;
  result->first_ms = now_ms() - started;
  bool fine = warm_up(session, options) &&
              until_settled(session, options, &result->samples);
  result->peak_bytes = memory_bytes("VmHWM");
  return fine;
}
