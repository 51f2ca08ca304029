plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
}

android {
    namespace = "org.mobilevis.app"
    compileSdk = 34
    defaultConfig {
        applicationId = "org.mobilevis.app"
        minSdk = 26
        targetSdk = 34
        versionCode = 1
        versionName = "0.1.0"
        ndk {
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }
    buildTypes {
        getByName("release") {
            isMinifyEnabled = true
            proguardFiles("src/main/keep.pro")
        }
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    sourceSets {
        getByName("main") {
            kotlin.srcDir("src/main/kotlin")
            assets.srcDir(layout.buildDirectory.dir("bundled"))
        }
    }
}

kotlin {
    jvmToolchain(17)
}

// The model is the one that pom.xml names, made by the exporter; the licence text is the repository's.
val model =
    Regex("<bundled.model>(.+)</bundled.model>").find(file("pom.xml").readText())!!.groupValues[1]
val bundle =
    tasks.register<Exec>("bundleModel") {
        val folder =
            layout.buildDirectory
                .dir("bundled/models")
                .get()
                .asFile
        val python = providers.gradleProperty("mobilevis.python").getOrElse("python3")
        outputs.dir(folder)
        onlyIf { folder.list().isNullOrEmpty() }
        commandLine(python, "-m", "mobilevis.cli.main", "export", model, "--format", "tflite", "-o", folder)
        doLast { folder.listFiles()?.filter { it.extension != "tflite" }?.forEach { it.delete() } }
    }
val licence =
    tasks.register<Copy>("bundleLicence") {
        from("../../LICENSE") { rename { "Apache-2.0.txt" } }
        into(layout.buildDirectory.dir("bundled/licences"))
    }
tasks.named("preBuild") {
    dependsOn(bundle, licence)
}

// The tests run with Maven: Robolectric's copy of Android comes from there.
dependencies {
    implementation(project(":core"))
    implementation(project(":engines"))
}
