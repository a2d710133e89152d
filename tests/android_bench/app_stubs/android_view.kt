package android.view

open class View

open class Window {
    var flags = 0

    fun addFlags(flags: Int) {
        this.flags = this.flags or flags
    }
}

interface WindowManager {
    class LayoutParams {
        companion object {
            const val FLAG_KEEP_SCREEN_ON = 128
        }
    }
}
