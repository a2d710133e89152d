/* Say where the library crashed: a damaged file can take the process with it.
 *
 * The handler only copies text and calls functions that are safe in one, then lets the
 * signal end the process, so that whoever started it sees the signal, too.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "runner.h"

static const char *stage = "starting";
static const char *answer;
static int real_stderr = 2;
static char line[256], text[512];

static const char *name_of(int number) {
  switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    default: return "SIGABRT";
  }
}

static void send(int file, const char *start, const char *middle, const char *end) {
  text[0] = '\0';
  strcat(strcat(strcat(text, start), middle), end);
  ssize_t written = write(file, text, strlen(text));
  (void)written; /* nothing is left to do about it */
}

static void on_crash(int number) {
  line[0] = '\0';
  strcat(strcat(line, "the runtime crashed with "), name_of(number));
  strcat(strcat(line, " while "), stage);
  send(real_stderr, "\nrunner: ", line, "\n");
  int file = answer == NULL ? -1 : open(answer, O_WRONLY | O_CREAT | O_EXCL, 0644);
  if (file >= 0) {
    send(file, "{\"schema\": 1, \"runner\": \"tfcompress 1\", \"error\": \"", line,
         "\"}\n");
    close(file);
  }
  signal(number, SIG_DFL);
  raise(number);
}

void crash_watch(const char *json) {
  const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_RESETHAND};
  answer = json;
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    sigaction(numbers[i], &action, NULL);
}

void crash_stage(const char *what) { stage = what; }

void crash_stderr(int file) { real_stderr = file; }
