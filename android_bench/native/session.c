/* Open a model on the CPU or the GPU accelerator, and run it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "runner.h"

/* Options travel as a named text in TOML; the library frees it. */
static bool add_text(LiteRtHandle options, const char *name, const char *text) {
  char *copy = strdup(text);
  LiteRtHandle opaque = NULL;
  if (copy == NULL || litert.CreateOpaqueOptions(name, copy, free, &opaque) != 0) {
    free(copy);
    return fail(EXIT_RUN, "LiteRT refused the options %s", name);
  }
  if (litert.AddOpaqueOptions(options, opaque) != 0)
    return fail(EXIT_RUN, "LiteRT refused the options %s", name);
  return true;
}

static bool set_options(LiteRtHandle handle, const Options *options, bool profiling) {
  bool gpu = strcmp(options->delegate, "gpu") == 0;
  char threads[64];
  snprintf(threads, sizeof threads, "num_threads = %d\n", options->threads);
  if (litert.SetOptionsHardwareAccelerators(
          handle, gpu ? LITERT_GPU | LITERT_CPU : LITERT_CPU) != 0)
    return fail(EXIT_RUN, "LiteRT refused the accelerator %s", options->delegate);
  if (!add_text(handle, "xnnpack", threads)) return false;
  if (profiling &&
      !add_text(handle, "runtime_options_string", "enable_profiling = true\n"))
    return false;
  /* 1 is float16, 2 is float32.  No benchmark mode: the outputs are read inside the
   * timed region, which waits for them. */
  return !gpu || add_text(handle, "gpu_options",
                          options->fp16 ? "precision = 1\n" : "precision = 2\n");
}

static bool open_environment(Session *session, const Options *options) {
  bool gpu = strcmp(options->delegate, "gpu") == 0;
  char folder[4096] = ".";
  LiteRtEnvOption settings[2] = {0};
  settings[0].tag = LITERT_ENV_ACCELERATORS;
  settings[0].value.type = LITERT_ANY_INT;
  settings[0].value.int_value = gpu ? LITERT_GPU | LITERT_CPU : LITERT_CPU;
  settings[1].tag = LITERT_ENV_RUNTIME_FOLDER;
  settings[1].value.type = LITERT_ANY_STRING;
  settings[1].value.str_value = folder;
  if (gpu) { /* the library looks for its accelerators, by their names, in a folder */
    snprintf(folder, sizeof folder, "%s", options->accelerator);
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
      strcpy(folder, ".");
    else if (slash != folder)
      *slash = '\0';
  }
  size_t count = 0;
  if (litert.CreateEnvironment(gpu ? 2 : 1, settings, &session->environment) != 0 ||
      litert.GetNumAccelerators(session->environment, &count) != 0)
    return fail(EXIT_LIBRARY, "LiteRT's environment could not be created");
  if (gpu && count < 2)
    return fail(EXIT_LIBRARY, "the GPU accelerator could not be loaded: %s",
                options->accelerator);
  return true;
}

/* The library crashes on some files that are no models: look before it does. */
static bool check_file(const char *path) {
  char head[8] = {0};
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return fail(EXIT_MODEL, "the model cannot be read: %s (%s)", path, strerror(errno));
  size_t count = fread(head, 1, sizeof head, file);
  fclose(file);
  if (count < sizeof head || memcmp(head + 4, "TFL3", 4) != 0)
    return fail(EXIT_MODEL, "this is not a .tflite file: %s", path);
  return true;
}

static bool load(Session *session, const Options *options, LiteRtHandle *signature) {
  if (!check_file(options->model)) return false;
  crash_stage("loading the model");
  LiteRtStatus status =
      litert.CreateModelFromFile(session->environment, options->model, &session->model);
  if (status != 0)
    return fail(EXIT_MODEL, "the model cannot be loaded: %s (%s)", options->model,
                litert_status(status));
  LiteRtHandle graph;
  if (litert.GetModelSignature(session->model, 0, signature) != 0 ||
      litert.GetSignatureSubgraph(*signature, &graph) != 0 ||
      litert.GetNumSubgraphOps(graph, &session->total_ops) != 0)
    return fail(EXIT_MODEL, "the model has no graph: %s", options->model);
  return true;
}

static bool compile(Session *session, const Options *options, bool profiling) {
  LiteRtHandle handle;
  if (litert.CreateOptions(&handle) != 0)
    return fail(EXIT_RUN, "LiteRT could not create its options");
  bool fine = set_options(handle, options, profiling);
  if (fine) {
    char path[4096];
    snprintf(path, sizeof path, "%s.log", options->json);
    crash_stage("compiling the model");
    int saved = log_begin(path);
    LiteRtStatus status = litert.CreateCompiledModel(
        session->environment, session->model, handle, &session->compiled);
    session->log = log_end(path, saved);
    if (status != 0)
      fine = fail(EXIT_MODEL, "the model cannot be compiled for %s: %s (%s)",
                  options->delegate, options->model, litert_status(status));
  }
  litert.DestroyOptions(handle);
  return fine;
}

bool session_open(Session *session, const Options *options, bool profiling) {
  *session = (Session){.applied = "none"};
  LiteRtHandle signature;
  if (!open_environment(session, options) || !load(session, options, &signature) ||
      !compile(session, options, profiling) || !tensors_create(session, signature))
    return false;
  if (strcmp(options->delegate, "gpu") == 0) partition_read(session);
  return true;
}

/* Outputs are mapped, which waits for a GPU: a run that is only queued has no time. */
bool session_run(Session *session) {
  LiteRtHandle inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  for (size_t i = 0; i < session->num_inputs; i++)
    inputs[i] = session->inputs[i].buffer;
  for (size_t i = 0; i < session->num_outputs; i++)
    outputs[i] = session->outputs[i].buffer;
  LiteRtStatus status = litert.RunCompiledModel(
      session->compiled, 0, session->num_inputs, inputs, session->num_outputs, outputs);
  void *data;
  for (size_t i = 0; status == 0 && i < session->num_outputs; i++) {
    status = litert.LockTensorBuffer(outputs[i], &data, LITERT_LOCK_READ);
    if (status == 0) status = litert.UnlockTensorBuffer(outputs[i]);
  }
  if (status != 0)
    return fail(EXIT_RUN, "an inference failed: %s", litert_status(status));
  return true;
}
