plugins {
    alias(libs.plugins.kotlin.jvm)
}

kotlin {
    jvmToolchain(17)
}

dependencies {
    testImplementation(libs.junit.jupiter)
    testImplementation(libs.kotest.property)
}

tasks.test {
    useJUnitPlatform()
    systemProperty("mobilevis.python", providers.gradleProperty("mobilevis.python").getOrElse("python3"))
}
