// The part of LiteRT Kotlin API that the apps call, with a runtime that only copies.
// It answers: byte i of output 0 is input byte i, and a GPU refuses what a test names.
package com.google.ai.edge.litert

import android.content.res.AssetManager

class LiteRtException(message: String) : Exception(message)

enum class Accelerator { NONE, CPU, GPU, NPU }

abstract class JniHandle : AutoCloseable {
    var closed = false

    override fun close() {
        check(!closed) { "closed twice" }
        closed = true
        open--
    }

    init {
        open++
    }

    companion object {
        @JvmStatic var open = 0
    }
}

class Environment private constructor() : JniHandle() {
    companion object {
        @JvmOverloads
        @JvmStatic
        fun create(options: Map<String, String> = mapOf()): Environment = Environment()
    }
}

class TensorBuffer internal constructor(var value: Any?) : JniHandle() {
    fun writeInt(data: IntArray) { value = data }

    fun writeFloat(data: FloatArray) { value = data }

    fun writeInt8(data: ByteArray) { value = data }

    fun writeBoolean(data: BooleanArray) { value = data }

    fun writeLong(data: LongArray) { value = data }

    fun readInt(): IntArray = value as IntArray

    fun readFloat(): FloatArray = value as FloatArray

    fun readInt8(): ByteArray = value as ByteArray

    fun readBoolean(): BooleanArray = value as BooleanArray

    fun readLong(): LongArray = value as LongArray
}

/** What a test tells the runtime to do. */
object Runtime {
    @JvmField var gpuRefuses: String? = null
    @JvmField var gpuIsWrong = false
    @JvmField val created = mutableListOf<String>()
}

class CompiledModel private constructor(private val gpu: Boolean) : JniHandle() {
    data class CpuOptions(
        val numThreads: Int? = null,
        val xnnPackFlags: Int? = null,
        val xnnPackWeightCachePath: String? = null,
    )

    data class GpuOptions(
        val constantTensorSharing: Boolean? = null,
        val infiniteFloatCapping: Boolean? = null,
        val benchmarkMode: Boolean? = null,
        val allowSrcQuantizedFcConvOps: Boolean? = null,
        val precision: Precision? = null,
    ) {
        enum class Precision { DEFAULT, FP16, FP32 }
    }

    class Options(val accelerators: Set<Accelerator>) {
        constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators))

        var cpuOptions: CpuOptions? = null
        var gpuOptions: GpuOptions? = null
    }

    fun createInputBuffer(inputName: String, signature: String? = null): TensorBuffer {
        require(inputName == "picture" && signature == "serving_default") { inputName }
        return TensorBuffer(null)
    }

    fun createOutputBuffer(outputName: String, signature: String? = null): TensorBuffer {
        require(outputName == "class" && signature == "serving_default") { outputName }
        return TensorBuffer(ByteArray(10))
    }

    @JvmOverloads
    fun createInputBuffers(signatureIndex: Int = 0): List<TensorBuffer> =
        listOf(TensorBuffer(null)).also { require(signatureIndex == 0) }

    @JvmOverloads
    fun createOutputBuffers(signatureIndex: Int = 0): List<TensorBuffer> =
        listOf(TensorBuffer(ByteArray(10))).also { require(signatureIndex == 0) }

    @JvmOverloads
    fun run(inputs: List<TensorBuffer>, outputs: List<TensorBuffer>, signatureIndex: Int = 0) {
        require(signatureIndex == 0)
        answer(inputs.single(), outputs.single())
    }

    fun run(
        inputs: Map<String, TensorBuffer>,
        outputs: Map<String, TensorBuffer>,
        signature: String? = null,
    ) {
        require(signature == "serving_default")
        answer(inputs.getValue("picture"), outputs.getValue("class"))
    }

    private fun answer(input: TensorBuffer, output: TensorBuffer) {
        check(!closed && !input.closed && !output.closed)
        Thread.sleep(1)
        val bytes = input.readInt8()
        val wrong = gpu && Runtime.gpuIsWrong
        output.value = ByteArray(10) { if (wrong) -128 else bytes[it] }
    }

    companion object {
        @JvmOverloads
        @JvmStatic
        fun create(
            filePath: String,
            options: Options = Options(Accelerator.CPU),
            optionalEnv: Environment? = null,
        ): CompiledModel {
            require(filePath.endsWith(".tflite") && optionalEnv?.closed == false)
            val names = options.accelerators.joinToString("+")
            Runtime.created += "$names ${options.cpuOptions?.numThreads} ${gpu(options)}"
            val refused = Runtime.gpuRefuses
            if (Accelerator.GPU in options.accelerators && refused != null) {
                android.util.Log.e("tflite", refused)
                if (Accelerator.CPU !in options.accelerators) {
                    throw LiteRtException("Failed to create compiled model.")
                }
            }
            return CompiledModel(Accelerator.GPU in options.accelerators)
        }

        @JvmOverloads
        @JvmStatic
        fun create(
            assetManager: AssetManager,
            assetName: String,
            options: Options = Options(Accelerator.CPU),
            optionalEnv: Environment? = null,
        ): CompiledModel {
            assetManager.open(assetName).close()
            require(optionalEnv == null)
            return CompiledModel(Accelerator.GPU in options.accelerators)
        }

        private fun gpu(options: Options) =
            options.gpuOptions?.let { "${it.precision} benchmarkMode=${it.benchmarkMode}" }
    }
}
