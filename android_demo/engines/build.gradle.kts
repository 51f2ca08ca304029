plugins {
    alias(libs.plugins.android.library)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "org.mobilevis.engines"
    compileSdk = 34
    defaultConfig {
        minSdk = 26
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    sourceSets {
        getByName("main").kotlin.srcDir("src/main/kotlin")
    }
}

kotlin {
    jvmToolchain(17)
}

// The tests run on a desktop's ONNX Runtime: with Maven.
dependencies {
    api(project(":core"))
    implementation(libs.tensorflow.lite)
    implementation(libs.onnxruntime.android)
    implementation(libs.executorch.android)
}
