/* Create the buffers of inputs and outputs, fill them, and write them to files. */
#include <stdlib.h>
#include <string.h>

#include "runner.h"

const char *element_name(int element_type) {
  switch (element_type) {
    case 1: return "float32";
    case 2: return "int32";
    case 3: return "uint8";
    case 4: return "int64";
    case 6: return "bool";
    case 7: return "int16";
    case 9: return "int8";
    case 10: return "float16";
    case 16: return "uint32";
    case 18: return "int4";
    default: return "other";
  }
}

static bool create(Session *session, Tensor *tensor, LiteRtHandle handle,
                   LiteRtHandle requirements) {
  if (litert.GetRankedTensorType(handle, &tensor->type) != 0)
    return fail(EXIT_MODEL, "the tensor %s has no fixed rank", tensor->name);
  for (unsigned i = 0; i < tensor->type.rank; i++)
    if (tensor->type.dimensions[i] < 0)
      return fail(EXIT_MODEL, "the tensor %s has a dynamic shape", tensor->name);
  if (litert.CreateManagedTensorBufferFromRequirements(
          session->environment, &tensor->type, requirements, &tensor->buffer) != 0 ||
      litert.GetTensorBufferPackedSize(tensor->buffer, &tensor->bytes) != 0)
    return fail(EXIT_RUN, "no memory could be had for the tensor %s", tensor->name);
  return true;
}

static bool create_inputs(Session *session, LiteRtHandle signature, size_t count) {
  for (size_t i = 0; i < count; i++) {
    LiteRtHandle handle, needs;
    Tensor *tensor = &session->inputs[i];
    if (litert.GetSignatureInputName(signature, i, &tensor->name) != 0 ||
        litert.GetSignatureInputTensorByIndex(signature, i, &handle) != 0 ||
        litert.GetCompiledModelInputBufferRequirements(session->compiled, 0, i,
                                                       &needs) != 0)
      return fail(EXIT_MODEL, "input %zu of the model cannot be read", i);
    if (!create(session, tensor, handle, needs)) return false;
    session->num_inputs++;
  }
  return true;
}

static bool create_outputs(Session *session, LiteRtHandle signature, size_t count) {
  for (size_t i = 0; i < count; i++) {
    LiteRtHandle handle, needs;
    Tensor *tensor = &session->outputs[i];
    if (litert.GetSignatureOutputName(signature, i, &tensor->name) != 0 ||
        litert.GetSignatureOutputTensorByIndex(signature, i, &handle) != 0 ||
        litert.GetCompiledModelOutputBufferRequirements(session->compiled, 0, i,
                                                        &needs) != 0)
      return fail(EXIT_MODEL, "output %zu of the model cannot be read", i);
    if (!create(session, tensor, handle, needs)) return false;
    session->num_outputs++;
  }
  return true;
}

bool tensors_create(Session *session, LiteRtHandle signature) {
  size_t num_inputs, num_outputs;
  if (litert.GetNumSignatureInputs(signature, &num_inputs) != 0 ||
      litert.GetNumSignatureOutputs(signature, &num_outputs) != 0 ||
      num_inputs > MAX_TENSORS || num_outputs > MAX_TENSORS)
    return fail(EXIT_MODEL, "the model has no inputs or outputs, or more than %d",
                MAX_TENSORS);
  return create_inputs(session, signature, num_inputs) &&
         create_outputs(session, signature, num_outputs);
}

/* Noise in [0, 1) in floats and 0..126 in bytes; 0 elsewhere, where it may index. */
static void noise(void *data, const Tensor *tensor, uint32_t *state) {
  memset(data, 0, tensor->bytes);
  int type = tensor->type.element_type;
  size_t width = type == 1 ? sizeof(float) : 1;
  if (type != 1 && type != 3 && type != 9) return;
  for (size_t i = 0; i < tensor->bytes / width; i++) {
    *state = *state * 1664525u + 1013904223u;
    if (type == 1)
      ((float *)data)[i] = (float)(*state >> 8) / 16777216.0f;
    else
      ((uint8_t *)data)[i] = (uint8_t)((*state >> 8) % 127);
  }
}

static bool read_file(const char *path, void *data, const Tensor *tensor) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) return fail(EXIT_RUN, "the input cannot be read: %s", path);
  size_t count = fread(data, 1, tensor->bytes, file);
  bool more = fgetc(file) != EOF;
  fclose(file);
  if (count != tensor->bytes || more)
    return fail(EXIT_RUN, "the input has another size than %s needs (%zu bytes): %s",
                tensor->name, tensor->bytes, path);
  return true;
}

bool inputs_fill(Session *session, const Options *options) {
  if (options->num_inputs != 0 && options->num_inputs != session->num_inputs)
    return fail(EXIT_RUN, "the model has %zu inputs, received %zu files",
                session->num_inputs, options->num_inputs);
  uint32_t state = 1;
  for (size_t i = 0; i < session->num_inputs; i++) {
    Tensor *tensor = &session->inputs[i];
    void *data;
    bool fine = true;
    if (litert.LockTensorBuffer(tensor->buffer, &data, LITERT_LOCK_WRITE) != 0)
      return fail(EXIT_RUN, "the input %s cannot be written", tensor->name);
    if (options->num_inputs != 0)
      fine = read_file(options->inputs[i], data, tensor);
    else
      noise(data, tensor, &state);
    if (litert.UnlockTensorBuffer(tensor->buffer) != 0)
      return fail(EXIT_RUN, "the input %s cannot be written", tensor->name);
    if (!fine) return false;
  }
  return true;
}

bool outputs_write(const Session *session, const char *folder) {
  for (size_t i = 0; i < session->num_outputs; i++) {
    const Tensor *tensor = &session->outputs[i];
    char path[4096];
    void *data;
    snprintf(path, sizeof path, "%s/output_%zu.bin", folder, i);
    FILE *file = fopen(path, "wb");
    if (file == NULL) return fail(EXIT_RUN, "the output cannot be written: %s", path);
    bool fine =
        litert.LockTensorBuffer(tensor->buffer, &data, LITERT_LOCK_READ) == 0 &&
        fwrite(data, 1, tensor->bytes, file) == tensor->bytes &&
        litert.UnlockTensorBuffer(tensor->buffer) == 0;
    if (fclose(file) != 0 || !fine)
      return fail(EXIT_RUN, "the output cannot be written: %s", path);
  }
  return true;
}
