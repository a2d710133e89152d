// Starts an app's activity as Android would, and prints what it shows.
package org.tfcompress.benchmark

import android.app.Activity
import android.content.Context
import android.content.Intent
import android.os.Bundle
import android.widget.TextView
import com.google.ai.edge.litert.JniHandle
import com.google.ai.edge.litert.Runtime
import java.io.File
import org.tfcompress.example.MainActivity

internal object BuildConfig {
    const val VERSION_NAME = "0.1.0"
    const val LITERT_VERSION = "2.3.0"
    const val DEBUG = false
}

/** Arguments: an activity, its folder, and pairs of extras; `stub.` ones are for the stubs. */
fun main(arguments: Array<String>) {
    val pairs = arguments.drop(2).chunked(2).associate { it[0] to it[1] }
    val extras = pairs.filterKeys { !it.startsWith("stub.") }
    Context.folder = File(arguments[1])
    Runtime.gpuRefuses = pairs["stub.refuses"]
    Runtime.gpuIsWrong = "stub.wrong" in pairs
    val activity: Activity = if (arguments[0] == "example") MainActivity() else BenchmarkActivity()
    activity.intent = Intent(if (extras.isEmpty()) null else Bundle(extras))
    val create = activity.javaClass.getDeclaredMethod("onCreate", Bundle::class.java)
    create.isAccessible = true
    create.invoke(activity, null)
    Thread.getAllStackTraces().keys.filter { it.name == "benchmark" }.forEach { it.join() }
    println((activity.content as TextView).text)
    println("finished ${activity.finished}, screen ${activity.window.flags}")
    println("open handles ${JniHandle.open}")
    Runtime.created.forEach(::println)
}
