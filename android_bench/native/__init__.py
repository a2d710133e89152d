"""Our own runner: a small C program that measures a .tflite file with LiteRT's library.

It loads LiteRT's C library at run time, so that one program serves the installed
package on this computer and the library of a phone, measures on the CPU or on the GPU
accelerator, times single operators, reads inputs and writes outputs, and answers with
one JSON object:

    runner --library libLiteRt.so --model m.tflite --delegate cpu|gpu
           [--accelerator lib.so] --threads N --warmup N --min-runs N
           --max-seconds S [--fp16] [--profile] [--input FILE ...]
           [--output-folder FOLDER] [--library-version TEXT] --json OUT

What it says of itself:

1. `init_ms` is loading the file, compiling it for the delegate and making the buffers;
   starting the process and loading the library are not in it.
2. A run ends when its outputs are mapped, so that a GPU has really finished.
3. `op_profile` comes from runs of its own after the measured ones. Times inside a
   delegate are of type ``delegate_operator``. `profile_error` says why there is none:
   the WebGPU backend has no profiler.
4. `delegated_ops` and `refused_ops` are parsed by the program from the lines that the
   accelerator prints while it compiles.
5. An error is one line on stderr, the same line as `error`, and an exit code: 2 usage,
   3 library, 4 model, 5 run. After a crash of the library the answer holds `error`
   alone, and the process ends by the signal.

`build_runner` compiles it on demand.
"""

from __future__ import annotations

from android_bench.native.build import TARGETS, build_runner

__all__ = ["TARGETS", "build_runner"]
