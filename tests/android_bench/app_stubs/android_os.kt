package android.os

class Bundle(private val values: Map<String, Any>) {
    fun keySet(): Set<String> = values.keys

    @Deprecated("as in Android")
    fun get(key: String): Any? = values[key]
}

object Build {
    const val MANUFACTURER = "Stub"
    const val MODEL = "Phone"
    const val SOC_MODEL = "S1"
    @JvmField val SUPPORTED_ABIS = arrayOf("arm64-v8a")

    object VERSION {
        const val RELEASE = "16"
        @JvmField val SDK_INT = 36
    }

    object VERSION_CODES {
        const val Q = 29
        const val S = 31
    }
}

object BatteryManager {
    const val EXTRA_TEMPERATURE = "temperature"
}

class PowerManager {
    val currentThermalStatus: Int get() = 0
}

object Process {
    @JvmStatic fun myPid(): Int = ProcessHandle.current().pid().toInt()
}
