package org.tfcompress.example

import android.app.Activity
import android.graphics.BitmapFactory
import android.os.Bundle
import android.widget.TextView

/** Shows the three best classes of a picture. */
class MainActivity : Activity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val picture = assets.open("picture.png").use { BitmapFactory.decodeStream(it) }
        val words = TextView(this)
        words.text = Classifier(assets).use { it.classify(picture).joinToString("\n") }
        setContentView(words)
    }
}
