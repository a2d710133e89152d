package org.tfcompress.benchmark

import android.content.Context
import android.content.Intent
import android.content.IntentFilter
import android.os.BatteryManager
import android.os.Build
import android.os.PowerManager

/** What the app knows about where it runs; the host adds what only the shell can see. */
internal object DeviceFacts {
    fun about(context: Context): Map<String, Any?> =
        mapOf(
            "app_version" to BuildConfig.VERSION_NAME,
            "library_version" to "LiteRT ${BuildConfig.LITERT_VERSION}",
            "debuggable" to BuildConfig.DEBUG,
            "device" to device(context),
        )

    private fun device(context: Context): Map<String, Any?> =
        mapOf(
            "model" to "${Build.MANUFACTURER} ${Build.MODEL}",
            "soc" to if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.S) Build.SOC_MODEL else null,
            "abi" to Build.SUPPORTED_ABIS.firstOrNull(),
            "android" to Build.VERSION.RELEASE,
            "cores" to Runtime.getRuntime().availableProcessors(),
            "thermal_status" to thermalStatus(context),
            "battery_celsius" to batteryCelsius(context),
        )

    /** 0 is none, 3 severe; null before Android 10. */
    private fun thermalStatus(context: Context): Int? =
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) {
            context.getSystemService(PowerManager::class.java)?.currentThermalStatus
        } else {
            null
        }

    private fun batteryCelsius(context: Context): Double? {
        val filter = IntentFilter(Intent.ACTION_BATTERY_CHANGED)
        val tenths = context.registerReceiver(null, filter)
            ?.getIntExtra(BatteryManager.EXTRA_TEMPERATURE, Int.MIN_VALUE)
        return tenths?.takeIf { it != Int.MIN_VALUE }?.let { it / 10.0 }
    }
}
