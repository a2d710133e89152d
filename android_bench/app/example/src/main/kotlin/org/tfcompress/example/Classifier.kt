package org.tfcompress.example

import android.content.res.AssetManager
import android.graphics.Bitmap
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.nio.ByteBuffer
import org.tfcompress.modelfile.ModelFile
import org.tfcompress.modelfile.Picture
import org.tfcompress.modelfile.Ranking

/**
 * Classifies pictures with a file of tfcompress.
 *
 * Labels, picture size, scaling and the integers' scale are read from the file: putting another
 * model into the assets needs no change here.
 */
class Classifier(assets: AssetManager, name: String = "model.tflite") : AutoCloseable {
    private val file =
        ModelFile.read(ByteBuffer.wrap(assets.open(name).use { it.readBytes() }), name)
    private val preprocessing = file.preprocessing()
    private val model =
        CompiledModel.create(assets, name, CompiledModel.Options(Accelerator.CPU))
    private val inputs = model.createInputBuffers()
    private val outputs = model.createOutputBuffers()

    fun classify(bitmap: Bitmap): List<Ranking.Scored> {
        val pixels = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        val values = preprocessing.apply(Picture.ofArgb(bitmap.height, bitmap.width, pixels))
        val input = file.inputs.single()
        if (input.isQuantized) {
            inputs[0].writeInt8(input.quantize(values))
        } else {
            inputs[0].writeFloat(values)
        }
        model.run(inputs, outputs)
        val output = file.outputs.single()
        val scores =
            if (output.isQuantized) {
                output.dequantize(outputs[0].readInt8())
            } else {
                outputs[0].readFloat()
            }
        return Ranking.top(scores, file.labels(), 3)
    }

    override fun close() {
        (inputs + outputs).forEach { it.close() }
        model.close()
    }
}
