/* Keep the first error, as one line and an exit code. */
#include <stdarg.h>
#include <string.h>

#include "runner.h"

static char line[1024];
static int code;

bool fail(int new_code, const char *format, ...) {
  if (code != 0) return false;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  for (char *c = line; *c != '\0'; c++)
    if (*c == '\n' || *c == '\r' || *c == '\t') *c = ' ';
  code = new_code;
  return false;
}

const char *error_line(void) { return code != 0 ? line : NULL; }

int error_code(void) { return code; }

void clear_error(void) { code = 0; }
