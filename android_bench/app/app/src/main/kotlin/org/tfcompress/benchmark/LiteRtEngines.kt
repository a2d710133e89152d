package org.tfcompress.benchmark

import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import java.io.File
import org.tfcompress.benchmark.core.Engine
import org.tfcompress.benchmark.core.Job
import org.tfcompress.modelfile.ModelFile

/**
 * Opens models in LiteRT.
 *
 * Each engine has its own environment without a compiler cache, so that `init_ms` is what a first
 * start costs. Benchmark mode makes a GPU wait for its work; the engine reads an output as well.
 */
internal class LiteRtEngines : Engine.Factory {
    override fun libraryVersion(): String = "LiteRT ${BuildConfig.LITERT_VERSION}"

    override fun open(job: Job, target: Engine.Target, inputs: List<Any>): Engine {
        val file = ModelFile.read(File(job.model))
        val environment = Environment.create()
        try {
            val model = CompiledModel.create(job.model, options(job, target), environment)
            try {
                return LiteRtEngine(environment, model, file, inputs)
            } catch (error: Exception) {
                model.close()
                throw error
            }
        } catch (error: Exception) {
            environment.close()
            throw error
        }
    }

    private fun options(job: Job, target: Engine.Target): CompiledModel.Options {
        val options = when (target) {
            Engine.Target.CPU -> CompiledModel.Options(Accelerator.CPU)
            Engine.Target.GPU -> CompiledModel.Options(Accelerator.GPU)
            Engine.Target.GPU_AND_CPU -> CompiledModel.Options(Accelerator.GPU, Accelerator.CPU)
        }
        if (target != Engine.Target.GPU) {
            options.cpuOptions = CompiledModel.CpuOptions(numThreads = job.threads)
        }
        if (target != Engine.Target.CPU) {
            options.gpuOptions =
                CompiledModel.GpuOptions(benchmarkMode = true, precision = precision(job))
        }
        return options
    }

    private fun precision(job: Job): CompiledModel.GpuOptions.Precision =
        if (job.options.fp16) {
            CompiledModel.GpuOptions.Precision.FP16
        } else {
            CompiledModel.GpuOptions.Precision.FP32
        }
}
