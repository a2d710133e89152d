/* The part of LiteRT's C API that the runner calls, declared by hand.
 *
 * The Python wheel ships the library without headers.  These declarations are those of
 * ai-edge-litert 2.3 (checked against its machine code: struct sizes, argument order);
 * an older library lacks some of the symbols and is refused by `litert_load`.
 */
#ifndef TFCOMPRESS_LITERT_H
#define TFCOMPRESS_LITERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LITERT_MAX_RANK 8

typedef int LiteRtStatus; /* 0 is success */
typedef void *LiteRtHandle; /* every object of the API is an opaque pointer */

enum { LITERT_CPU = 1, LITERT_GPU = 2 };
enum { LITERT_LOCK_READ = 0, LITERT_LOCK_WRITE = 1 };
enum { LITERT_ENV_RUNTIME_FOLDER = 22, LITERT_ENV_ACCELERATORS = 24 };
enum { LITERT_ANY_INT = 2, LITERT_ANY_STRING = 8 };

typedef struct {
  int tag;
  struct {
    int type;
    union {
      int64_t int_value;
      const char *str_value;
    };
  } value;
} LiteRtEnvOption;

typedef struct {
  int element_type; /* TensorFlow Lite's numbers: 1 is float32, 9 is int8 */
  unsigned rank : 7;
  unsigned has_strides : 1;
  int32_t dimensions[LITERT_MAX_RANK];
  uint32_t strides[LITERT_MAX_RANK];
} LiteRtTensorType;

typedef struct {
  int64_t footprint_kb, total_bytes, in_use_bytes;
} LiteRtMemoryUsage;

/* One event of the profiler; `type` is a bit: 2 operator, 4 operator in a delegate. */
typedef struct {
  const char *tag;
  int type;
  uint64_t start_us, elapsed_us;
  LiteRtMemoryUsage before, after;
  uint64_t metadata1, metadata2;
  int source;
} LiteRtProfilerEvent;

_Static_assert(sizeof(LiteRtEnvOption) == 24, "environment option");
_Static_assert(sizeof(LiteRtTensorType) == 72, "tensor type");
_Static_assert(sizeof(LiteRtProfilerEvent) == 104, "profiler event");

/* X(name, result, arguments): the function `LiteRt<name>`, in the table below. */
#define LITERT_FUNCTIONS(X)                                                          \
  X(CreateEnvironment, LiteRtStatus, (int, const LiteRtEnvOption *, LiteRtHandle *)) \
  X(DestroyEnvironment, void, (LiteRtHandle))                                        \
  X(GetNumAccelerators, LiteRtStatus, (LiteRtHandle, size_t *))                      \
  X(CreateModelFromFile, LiteRtStatus,                                               \
    (LiteRtHandle, const char *, LiteRtHandle *))                                    \
  X(DestroyModel, void, (LiteRtHandle))                                              \
  X(GetModelSignature, LiteRtStatus, (LiteRtHandle, size_t, LiteRtHandle *))         \
  X(GetSignatureSubgraph, LiteRtStatus, (LiteRtHandle, LiteRtHandle *))              \
  X(GetNumSubgraphOps, LiteRtStatus, (LiteRtHandle, size_t *))                       \
  X(GetNumSignatureInputs, LiteRtStatus, (LiteRtHandle, size_t *))                   \
  X(GetNumSignatureOutputs, LiteRtStatus, (LiteRtHandle, size_t *))                  \
  X(GetSignatureInputName, LiteRtStatus, (LiteRtHandle, size_t, const char **))      \
  X(GetSignatureOutputName, LiteRtStatus, (LiteRtHandle, size_t, const char **))     \
  X(GetSignatureInputTensorByIndex, LiteRtStatus,                                    \
    (LiteRtHandle, size_t, LiteRtHandle *))                                          \
  X(GetSignatureOutputTensorByIndex, LiteRtStatus,                                   \
    (LiteRtHandle, size_t, LiteRtHandle *))                                          \
  X(GetRankedTensorType, LiteRtStatus, (LiteRtHandle, LiteRtTensorType *))           \
  X(CreateOptions, LiteRtStatus, (LiteRtHandle *))                                   \
  X(DestroyOptions, void, (LiteRtHandle))                                            \
  X(SetOptionsHardwareAccelerators, LiteRtStatus, (LiteRtHandle, int))               \
  X(CreateOpaqueOptions, LiteRtStatus,                                               \
    (const char *, void *, void (*)(void *), LiteRtHandle *))                        \
  X(AddOpaqueOptions, LiteRtStatus, (LiteRtHandle, LiteRtHandle))                    \
  X(CreateCompiledModel, LiteRtStatus,                                               \
    (LiteRtHandle, LiteRtHandle, LiteRtHandle, LiteRtHandle *))                      \
  X(DestroyCompiledModel, void, (LiteRtHandle))                                      \
  X(CompiledModelIsNonCpuFullyAccelerated, LiteRtStatus, (LiteRtHandle, bool *))     \
  X(GetCompiledModelInputBufferRequirements, LiteRtStatus,                           \
    (LiteRtHandle, size_t, size_t, LiteRtHandle *))                                  \
  X(GetCompiledModelOutputBufferRequirements, LiteRtStatus,                          \
    (LiteRtHandle, size_t, size_t, LiteRtHandle *))                                  \
  X(CreateManagedTensorBufferFromRequirements, LiteRtStatus,                         \
    (LiteRtHandle, const LiteRtTensorType *, LiteRtHandle, LiteRtHandle *))          \
  X(GetTensorBufferPackedSize, LiteRtStatus, (LiteRtHandle, size_t *))               \
  X(LockTensorBuffer, LiteRtStatus, (LiteRtHandle, void **, int))                    \
  X(UnlockTensorBuffer, LiteRtStatus, (LiteRtHandle))                                \
  X(DestroyTensorBuffer, void, (LiteRtHandle))                                       \
  X(RunCompiledModel, LiteRtStatus,                                                  \
    (LiteRtHandle, size_t, size_t, LiteRtHandle *, size_t, LiteRtHandle *))          \
  X(CompiledModelGetProfiler, LiteRtStatus, (LiteRtHandle, LiteRtHandle *))          \
  X(StartProfiler, LiteRtStatus, (LiteRtHandle))                                     \
  X(StopProfiler, LiteRtStatus, (LiteRtHandle))                                      \
  X(ResetProfiler, LiteRtStatus, (LiteRtHandle))                                     \
  X(GetNumProfilerEvents, LiteRtStatus, (LiteRtHandle, int *))                       \
  X(GetProfilerEvents, LiteRtStatus, (LiteRtHandle, int, LiteRtProfilerEvent *))

typedef struct {
#define LITERT_FIELD(name, result, arguments) result(*name) arguments;
  LITERT_FUNCTIONS(LITERT_FIELD)
#undef LITERT_FIELD
} LiteRtApi;

/* The loaded library; every call of the runner goes through it. */
extern LiteRtApi litert;

/* Load the library and every function above, or record an error. */
bool litert_load(const char *path);

/* Name a status code, such as "invalid flatbuffer". */
const char *litert_status(LiteRtStatus status);

#endif
