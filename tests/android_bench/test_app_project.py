"""The Gradle project's files belong together: names, versions, paths."""

import pathlib
import re
import tomllib
import xml.etree.ElementTree as ET

import pytest

from android_bench import app_install, app_record, app_runner
from tests.android_bench.java import APP

ROOT = APP.parents[1]
ANDROID = "{http://schemas.android.com/apk/res/android}"
APPS = {"app": ".BenchmarkActivity", "example": ".MainActivity"}
MODULES = ("app", "core", "example", "modelfile")


def gradle(module):
    return (APP / module / "build.gradle.kts").read_text("utf-8")


def setting(module, name):
    return re.search(rf'^\s*{name} = "?([^"\n/]+?)"?(?: //.*)?$', gradle(module), re.M)[
        1
    ]


def versions():
    return tomllib.loads((APP / "gradle" / "libs.versions.toml").read_text("utf-8"))


def manifest(module):
    return ET.parse(APP / module / "src" / "main" / "AndroidManifest.xml").getroot()


@pytest.mark.parametrize(("module", "name"), APPS.items())
def test_each_manifest_names_an_activity_that_exists(module, name):
    """Its class is where the namespace says, and the launcher may start it."""
    (activity,) = manifest(module).iter("activity")
    assert activity.get(f"{ANDROID}name") == name
    assert activity.get(f"{ANDROID}exported") == "true"
    assert activity.find("intent-filter/action") is not None
    namespace = setting(module, "namespace")
    folder = pathlib.Path(APP, module, "src/main/kotlin", *namespace.split("."))
    source = (folder / f"{name[1:]}.kt").read_text("utf-8")
    assert f"package {namespace}\n" in source
    assert f"class {name[1:]} : Activity()" in source


def test_the_host_starts_the_activity_that_is_built():
    """Package, activity and storage of the host are those of the app."""
    application = setting("app", "applicationId")
    assert application == app_install.PACKAGE == setting("app", "namespace")
    (activity,) = manifest("app").iter("activity")
    assert f"{application}/{activity.get(f'{ANDROID}name')}" == app_runner.COMPONENT
    assert f"/Android/data/{application}/files" in app_runner.STORAGE


def test_turning_the_phone_does_not_start_again():
    """Android ends an activity on changes that its manifest does not name."""
    (activity,) = manifest("app").iter("activity")
    handled = activity.get(f"{ANDROID}configChanges").split("|")
    assert {"orientation", "screenSize", "uiMode", "keyboardHidden"} <= set(handled)


def test_record_and_host_agree_on_their_words():
    """Schema and runner are written once on each side."""
    record = next(APP.rglob("RunRecord.java")).read_text("utf-8")
    assert f"SCHEMA = {app_record.SCHEMA};" in record
    assert f'RUNNER = "{app_record.RUNNER}";' in record
    activity = next(APP.rglob("RecordFile.java")).read_text("utf-8")
    assert '"finished"' in activity
    assert '"finished": true' in app_runner._WAIT


def test_every_module_is_in_the_build():
    """No folder is left out of settings.gradle.kts, and none is missing."""
    settings = (APP / "settings.gradle.kts").read_text("utf-8")
    included = re.findall(r'":(\w+)"', settings)
    folders = {path.parent.name for path in APP.glob("*/build.gradle.kts")}
    assert set(included) == folders == set(MODULES)
    for module in MODULES:
        for other in re.findall(r'project\(":(\w+)"\)', gradle(module)):
            assert other in included


def test_all_versions_are_pinned():
    """No range and no `latest`; what a module uses is in the catalogue."""
    catalogue = versions()
    for version in catalogue["versions"].values():
        assert re.fullmatch(r"\d+(\.\d+){1,2}", version)
    for library in catalogue["libraries"].values():
        assert library["version"]["ref"] in catalogue["versions"]
    known = {f"libs.{name.replace('-', '.')}" for name in catalogue["libraries"]}
    known |= {f"libs.plugins.{n.replace('-', '.')}" for n in catalogue["plugins"]}
    for module in MODULES:
        used = re.findall(
            r"\b(?:implementation|\w*Implementation|api|alias)\((libs[\w.]+)\)",
            gradle(module),
        )
        assert set(used) <= known
        assert not re.search(r'mplementation\("', gradle(module))


def test_the_runtime_is_the_hosts():
    """Figures of phone and host come from one release of LiteRT."""
    litert = versions()["versions"]["litert"]
    wanted = re.search(
        r'"ai-edge-litert>=([\d.]+),<([\d.]+)"', (ROOT / "setup.py").read_text()
    )
    low, version, high = (
        tuple(map(int, text.split("."))) for text in (wanted[1], litert, wanted[2])
    )
    assert low <= version < high


def test_gradle_is_the_same_everywhere():
    """Wrapper, workflow and documentation name one Gradle, which the plugin accepts."""
    wrapper = (APP / "gradle/wrapper/gradle-wrapper.properties").read_text("utf-8")
    version = re.search(r"gradle-([\d.]+)-bin\.zip", wrapper)[1]
    workflow = (ROOT / ".github/workflows/android.yml").read_text("utf-8")
    assert f'gradle-version: "{version}"' in workflow
    guide = (ROOT / "docs/android_app.md").read_text("utf-8")
    assert f"--gradle-version {version}" in guide
    assert versions()["versions"]["agp"].startswith("9.3.")
    assert tuple(map(int, version.split("."))) >= (9, 5, 0)  # what AGP 9.3 needs


def test_the_guide_names_what_exists():
    """Every option, module, file and version of the guide is the code's."""
    guide = (ROOT / "docs/android_app.md").read_text("utf-8")
    options = next(APP.rglob("Options.java")).read_text("utf-8")
    keys = re.findall(r'"(\w+)"', options.split("Arrays.asList(")[1].split(")")[0])
    assert (
        re.findall(r"^\| `(\w+)` \|", guide.split("| Extra")[1].split("\n\n")[0], re.M)
        == keys
    )
    assert app_runner.COMPONENT in guide
    assert f"{app_runner.STORAGE}/record.json" in guide
    assert f"platform {setting('app', 'compileSdk')}" in guide
    assert f"API {setting('app', 'minSdk')}" in guide
    for module in MODULES:
        assert f"| `{module}` |" in guide


def test_sources_speak_plain_java_11():
    """The phone's oldest Android has no newer classes."""
    for module in ("core", "modelfile"):
        assert "options.release = 11" in gradle(module)
    assert int(setting("app", "minSdk")) >= 26  # java.nio.file
    assert setting("example", "minSdk") == setting("app", "minSdk")
