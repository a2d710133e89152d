plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.tfcompress.benchmark"
    compileSdk = 36

    defaultConfig {
        applicationId = "org.tfcompress.benchmark"
        minSdk = 26 // java.nio.file
        targetSdk = 36
        versionCode = 1
        versionName = "0.1.0"
        buildConfigField("String", "LITERT_VERSION", "\"${libs.versions.litert.get()}\"")
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }

    buildFeatures {
        buildConfig = true
    }

    buildTypes {
        release {
            // Not for a store: signed with the debug key, so that `assembleRelease` is enough.
            // A debuggable build would be measured with the VM's checks switched on.
            signingConfig = signingConfigs.getByName("debug")
            isMinifyEnabled = false
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
}

dependencies {
    implementation(project(":core"))
    implementation(libs.litert)
    implementation(libs.litert.gpu) // without it the GPU is silently missing
}
