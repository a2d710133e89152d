package org.tfcompress.benchmark

import android.app.Activity
import android.content.Intent
import android.os.Bundle
import android.view.WindowManager
import android.widget.TextView
import java.io.File
import kotlin.concurrent.thread
import org.tfcompress.benchmark.core.ErrorLine
import org.tfcompress.benchmark.core.Job
import org.tfcompress.benchmark.core.MarkedLog
import org.tfcompress.benchmark.core.Measurement
import org.tfcompress.benchmark.core.Options
import org.tfcompress.benchmark.core.RecordFile

/**
 * Measures what its intent names and writes the record to the app's external files folder.
 *
 * It stays in the foreground with the screen on: Android slows down an app in the background.
 */
class BenchmarkActivity : Activity() {
    private lateinit var words: TextView

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        words = TextView(this)
        setContentView(words)
        val extras = extras(intent)
        thread(name = "benchmark") { measure(extras) }
    }

    private fun measure(extras: Map<String, String>) {
        val output = extras["output"]?.takeIf { SAFE_NAME.matches(it) } ?: "record.json"
        val folder = checkNotNull(getExternalFilesDir(null)) { "There is no storage." }
        val file = RecordFile(File(folder, output), DeviceFacts.about(this))
        val measurement =
            Measurement(folder, LiteRtEngines(), MarkedLog(Logcat()), System::nanoTime)
        var problem: String? = null
        try {
            for (job in Job.of(Options.parse(extras))) {
                file.start(job)
                show("${File(job.model).name}, ${job.delegate}, ${job.threads} thread(s)")
                file.add(measurement.run(job))
            }
        } catch (error: Exception) {
            problem = ErrorLine.of(error)
        }
        file.finish(problem)
        show(problem ?: "Done: $output")
        if (extras.isNotEmpty()) {
            finish()
        }
    }

    private fun show(text: String) = runOnUiThread { words.text = text }

    private companion object {
        val SAFE_NAME = Regex("[A-Za-z0-9_][A-Za-z0-9._-]*\\.json")

        /** Returns the extras as texts, whether `--es`, `--ei` or `--ez` passed them. */
        @Suppress("DEPRECATION") // the typed getters would need to know each extra's type
        fun extras(intent: Intent): Map<String, String> {
            val bundle = intent.extras ?: return emptyMap()
            return bundle.keySet().associateWith { bundle.get(it).toString() }
        }
    }
}
