/* What the files of the runner share. */
#ifndef TFCOMPRESS_RUNNER_H
#define TFCOMPRESS_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "litert.h"

#define MAX_TENSORS 64

/* Exit codes; the JSON's `error` has the line. */
enum { EXIT_USAGE = 2, EXIT_LIBRARY = 3, EXIT_MODEL = 4, EXIT_RUN = 5 };

typedef struct {
  const char *library, *model, *delegate, *accelerator, *json, *output_folder;
  const char *library_version;
  const char *inputs[MAX_TENSORS];
  size_t num_inputs;
  int threads, warmup, min_runs;
  double max_seconds;
  bool fp16, profile;
} Options;

typedef struct {
  const char *name;
  LiteRtTensorType type;
  LiteRtHandle buffer;
  size_t bytes;
} Tensor;

/* A loaded model, its buffers, and what the delegate took of it. */
typedef struct {
  LiteRtHandle environment, model, compiled;
  Tensor inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  size_t num_inputs, num_outputs;
  size_t total_ops, delegated_ops;
  const char *applied; /* none, partial, full */
  char *log;           /* what the library printed while it compiled; may be NULL */
} Session;

typedef struct {
  double *ms;
  size_t count, capacity;
  bool stable;
} Samples;

typedef struct {
  char name[160];
  const char *type; /* operator, delegate_operator */
  uint64_t index;   /* tells operators of one name apart */
  double total_us;
  size_t calls;
} OpTime;

typedef struct {
  OpTime *ops;
  size_t count, capacity;
  size_t runs;
  double run_ms; /* the mean of a profiled run, as the clock saw it */
  const char *error; /* why there is none */
} Profile;

typedef struct {
  Session *session;
  Samples samples;
  Profile profile;
  double init_ms, first_ms;
  size_t peak_bytes, before_bytes;
} Result;

/* errors.c: the first error is kept; `fail` returns false. */
bool fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *error_line(void);
int error_code(void);
void clear_error(void);

/* crash.c: an answer and a line although the library took the process down. */
void crash_watch(const char *json);
void crash_stage(const char *what);
void crash_stderr(int file); /* where the line goes while fd 2 is elsewhere */

/* options.c */
bool parse_options(int argc, char **argv, Options *options);

/* session.c */
bool session_open(Session *session, const Options *options, bool profiling);
bool session_run(Session *session);

/* tensors.c */
bool tensors_create(Session *session, LiteRtHandle signature);
bool inputs_fill(Session *session, const Options *options);
bool outputs_write(const Session *session, const char *folder);
const char *element_name(int element_type);

/* partition.c: what the GPU accelerator says on fd 2 while it compiles. */
int log_begin(const char *path);
char *log_end(const char *path, int saved);
void partition_read(Session *session);
typedef void RefusedOp(const char *line, size_t length, void *context);
void partition_refused(const Session *session, RefusedOp *visit, void *context);

/* measuring.c */
double now_ms(void);
size_t memory_bytes(const char *key);
bool measure(Session *session, const Options *options, Result *result);

/* profiling.c */
bool profile(Session *session, const Options *options, Profile *profile);

/* json.c */
bool json_write(const Options *options, const Result *result);

#endif
