package android.util

import java.io.File

/** A log in the file that the test's own `logcat` prints. */
object Log {
    private val file = File(System.getProperty("stub.log"))

    @JvmStatic fun i(tag: String, message: String): Int = write(message)

    @JvmStatic fun e(tag: String, message: String): Int = write(message)

    private fun write(message: String): Int {
        file.appendText(message + "\n")
        return message.length
    }
}
