package org.tfcompress.benchmark

import android.os.Process
import android.util.Log
import org.tfcompress.benchmark.core.MarkedLog

/** This process's own log, which an app may read without a permission. */
internal class Logcat : MarkedLog.Source {
    override fun write(line: String) {
        Log.i("tfcompress", line)
    }

    override fun read(): List<String> {
        val process = ProcessBuilder("logcat", "-d", "-v", "raw", "--pid=${Process.myPid()}")
            .redirectErrorStream(true)
            .start()
        return try {
            process.inputStream.bufferedReader().readLines()
        } finally {
            process.destroy()
        }
    }

    override fun pause() = Thread.sleep(100)
}
