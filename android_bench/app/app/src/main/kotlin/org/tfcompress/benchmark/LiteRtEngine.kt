package org.tfcompress.benchmark

import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.Environment
import com.google.ai.edge.litert.TensorBuffer
import org.tfcompress.benchmark.core.Engine
import org.tfcompress.modelfile.ModelFile
import org.tfcompress.modelfile.TensorInfo

/**
 * A compiled model with its buffers.
 *
 * Buffers are made and bound by name: the runtime's order of inputs is not the file's in every
 * release.
 */
internal class LiteRtEngine(
    private val environment: Environment,
    private val model: CompiledModel,
    private val file: ModelFile,
    values: List<Any>,
) : Engine {
    private val inputs: Map<String, TensorBuffer> =
        file.inputs.associate { it.name to model.createInputBuffer(it.name, file.signature) }
    private val outputs: Map<String, TensorBuffer> =
        file.outputs.associate { it.name to model.createOutputBuffer(it.name, file.signature) }
    private val smallest: TensorInfo = file.outputs.minBy { it.size() }

    init {
        file.inputs.forEachIndexed { index, tensor ->
            write(inputs.getValue(tensor.name), values[index])
        }
    }

    override fun run() = model.run(inputs, outputs, file.signature)

    override fun await() {
        read(smallest)
    }

    override fun outputs(): List<Any> = file.outputs.map { read(it) }

    override fun close() {
        inputs.values.forEach { it.close() }
        outputs.values.forEach { it.close() }
        model.close()
        environment.close()
    }

    private fun write(buffer: TensorBuffer, value: Any) =
        when (value) {
            is FloatArray -> buffer.writeFloat(value)
            is ByteArray -> buffer.writeInt8(value)
            is IntArray -> buffer.writeInt(value)
            is LongArray -> buffer.writeLong(value)
            is BooleanArray -> buffer.writeBoolean(value)
            else -> error("An input cannot be written. Received: ${value.javaClass.name}.")
        }

    private fun read(tensor: TensorInfo): Any {
        val buffer = outputs.getValue(tensor.name)
        return when (tensor.type) {
            "float32" -> buffer.readFloat()
            "int8", "uint8" -> buffer.readInt8()
            "int32" -> buffer.readInt()
            "int64" -> buffer.readLong()
            "bool" -> buffer.readBoolean()
            else -> error(
                "The app cannot read this output. Received: ${tensor.name} of type " +
                    "${tensor.type}. Convert the model with float or int8 outputs.",
            )
        }
    }
}
