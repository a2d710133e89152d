package android.graphics

import java.awt.image.BufferedImage
import java.io.InputStream
import javax.imageio.ImageIO

class Bitmap(private val image: BufferedImage) {
    val width: Int get() = image.width
    val height: Int get() = image.height

    fun getPixels(
        pixels: IntArray, offset: Int, stride: Int, x: Int, y: Int, width: Int, height: Int,
    ) {
        for (row in 0 until height) {
            for (column in 0 until width) {
                // The raster, not getRGB: Java would convert a grey picture's gamma.
                val grey = image.raster.getSample(x + column, y + row, 0)
                pixels[offset + row * stride + column] =
                    (0xff shl 24) or (grey shl 16) or (grey shl 8) or grey
            }
        }
    }
}

object BitmapFactory {
    @JvmStatic fun decodeStream(stream: InputStream): Bitmap = Bitmap(ImageIO.read(stream))
}
