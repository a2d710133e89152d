/* Load LiteRT's library and name its status codes. */
#include "litert.h"

#include <dlfcn.h>
#include <unistd.h>

#include "runner.h"

LiteRtApi litert;

/* dlsym returns an object pointer; a union gives the function pointer without a cast
 * that ISO C does not define. */
static bool find(void *library, const char *symbol, void (**function)(void)) {
  union {
    void *object;
    void (*function)(void);
  } found;
  found.object = dlsym(library, symbol);
  *function = found.function;
  return found.object != NULL;
}

bool litert_load(const char *path) {
  if (access(path, R_OK) != 0)
    return fail(EXIT_LIBRARY, "LiteRT's library cannot be read: %s", path);
  void *library = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
  if (library == NULL)
    return fail(EXIT_LIBRARY, "LiteRT's library cannot be loaded: %s", dlerror());
#define LITERT_FIND(name, result, arguments)                                       \
  if (!find(library, "LiteRt" #name, (void (**)(void)) & litert.name))             \
    return fail(EXIT_LIBRARY,                                                      \
                "this library is no LiteRT 2.3 or newer: %s has no function "      \
                "LiteRt" #name,                                                    \
                path);
  LITERT_FUNCTIONS(LITERT_FIND)
#undef LITERT_FIND
  return true;
}

const char *litert_status(LiteRtStatus status) {
  switch (status) {
    case 0: return "ok";
    case 1: return "invalid argument";
    case 2: return "out of memory";
    case 3: return "runtime failure";
    case 4: return "missing input tensor";
    case 5: return "unsupported";
    case 6: return "not found";
    case 7: return "timeout";
    case 8: return "wrong version";
    case 500: return "damaged file";
    case 501: return "invalid flatbuffer";
    case 502: return "library cannot be loaded";
    case 503: return "serialization failed";
    case 504: return "compilation failed";
    default: return "unknown error";
  }
}
