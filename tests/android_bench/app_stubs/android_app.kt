// The part of Android that the apps call.
package android.app

import android.content.Context
import android.content.Intent
import android.os.Bundle
import android.view.View
import android.view.Window

open class Activity : Context() {
    open var intent: Intent = Intent(null)
    open val window: Window = Window()
    var finished = false
    var content: View? = null

    protected open fun onCreate(savedInstanceState: Bundle?) {}

    open fun setContentView(view: View) {
        content = view
    }

    fun runOnUiThread(action: Runnable) = action.run()

    open fun finish() {
        finished = true
    }
}
