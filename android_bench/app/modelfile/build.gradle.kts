plugins {
    `java-library`
}

dependencies {
    testImplementation(libs.junit)
}

tasks.withType<JavaCompile>().configureEach {
    options.release = 11
    options.compilerArgs.add("-Xlint:all")
}
