plugins {
    `java-library`
}

dependencies {
    api(project(":modelfile"))
    testImplementation(libs.junit)
}

sourceSets {
    test {
        resources.srcDir("../modelfile/src/test/resources") // a real file, once
    }
}

tasks.withType<JavaCompile>().configureEach {
    options.release = 11
    options.compilerArgs.add("-Xlint:all")
}
