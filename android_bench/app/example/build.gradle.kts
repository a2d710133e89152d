plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.tfcompress.example"
    compileSdk = 36

    defaultConfig {
        applicationId = "org.tfcompress.example"
        minSdk = 26
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
    }

    androidResources {
        noCompress += "tflite" // the runtime maps the file into memory
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
}

dependencies {
    implementation(project(":modelfile"))
    implementation(libs.litert)
}
