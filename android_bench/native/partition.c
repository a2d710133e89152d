/* Learn from what the library prints which operators the GPU accelerator took.
 *
 * Its C API only says whether all of them went to an accelerator.  The counts and the
 * refused operators are lines that C++ code writes to fd 2 while it compiles:
 *
 *     Following operations are not supported by GPU delegate:
 *     GATHER_ND: Operation is not supported.
 *     3 operations will run on the GPU, and the remaining 2 operations will run ...
 *
 * A model that is taken whole prints none of them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"

static const char REFUSED[] = "operations are not supported by GPU delegate:";
static const char SPLIT[] = " operations will run on the GPU, and the remaining ";
static const char NONE[] = "No operations will run on the GPU";

/* Send fd 2 to a file; return the old one, or -1 where that failed. */
int log_begin(const char *path) {
  fflush(stderr);
  int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  int saved = file < 0 ? -1 : dup(2);
  if (saved >= 0) {
    crash_stderr(saved);
    dup2(file, 2);
  }
  if (file >= 0) close(file);
  return saved;
}

static char *read_text(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return NULL;
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  char *text = size < 0 ? NULL : malloc((size_t)size + 1);
  if (text != NULL) text[fread(text, 1, (size_t)size, file)] = '\0';
  fclose(file);
  return text;
}

/* Give fd 2 back, print on it what went to the file, and return that. */
char *log_end(const char *path, int saved) {
  fflush(stderr);
  if (saved < 0) return NULL;
  crash_stderr(2);
  dup2(saved, 2);
  close(saved);
  char *text = read_text(path);
  unlink(path);
  if (text != NULL) fputs(text, stderr);
  return text;
}

/* The whole number that ends just before `end`. */
static size_t number_before(const char *start, const char *end) {
  const char *digit = end;
  while (digit > start && digit[-1] >= '0' && digit[-1] <= '9') digit--;
  return strtoul(digit, NULL, 10);
}

void partition_read(Session *session) {
  const char *log = session->log == NULL ? "" : session->log;
  const char *split = strstr(log, SPLIT);
  bool all = false;
  if (split != NULL) {
    session->delegated_ops = number_before(log, split);
    size_t rest = strtoul(split + strlen(SPLIT), NULL, 10);
    session->total_ops = session->delegated_ops + rest;
    session->applied = session->delegated_ops > 0 ? "partial" : "none";
  } else if (strstr(log, NONE) == NULL && strstr(log, REFUSED) == NULL &&
             litert.CompiledModelIsNonCpuFullyAccelerated(session->compiled, &all) ==
                 0 &&
             all) {
    session->delegated_ops = session->total_ops;
    session->applied = "full";
  }
}

void partition_refused(const Session *session, RefusedOp *visit, void *context) {
  const char *line = session->log == NULL ? NULL : strstr(session->log, REFUSED);
  line = line == NULL ? NULL : strchr(line, '\n');
  while (line != NULL && *++line >= 'A' && *line <= 'Z') {
    size_t length = strcspn(line, "\r\n");
    if (memchr(line, ':', length) == NULL) return; /* another message began */
    visit(line, length, context);
    line = strchr(line, '\n');
  }
}
