package android.content

import android.content.res.AssetManager
import android.os.Bundle
import java.io.File

open class BroadcastReceiver

class IntentFilter(val action: String)

class Intent(val extras: Bundle?) {
    fun getIntExtra(name: String, defaultValue: Int): Int =
        if (name == "temperature") 305 else defaultValue

    companion object {
        const val ACTION_BATTERY_CHANGED = "android.intent.action.BATTERY_CHANGED"
    }
}

open class Context {
    open fun getExternalFilesDir(type: String?): File? = folder

    open fun <T> getSystemService(serviceClass: Class<T>): T? =
        serviceClass.getDeclaredConstructor().newInstance()

    open fun registerReceiver(receiver: BroadcastReceiver?, filter: IntentFilter): Intent? =
        Intent(null)

    open val assets: AssetManager get() = AssetManager(checkNotNull(folder))

    companion object {
        @JvmStatic var folder: File? = null
    }
}
