"""Manifests and lock files: what each says of TFLM. Text is untrusted: what has not the form expected says nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from mcuplan.detect.evidence import Evidence, Sure
from mcuplan.tflm import TargetError
from mcuplan.tflm.marks import components, library_settings
from mcuplan.tflm.versions import find_version, known_versions

Reader = Callable[[str, str], Iterator[Evidence]]

_NUMBER = re.compile(r"\d+(?:\.\d+)*(?:~\d+)?", re.ASCII)
_NAMES = "|".join(map(re.escape, components()))
_LOCKED = re.compile(rf"^ {{2}}espressif/({_NAMES}):\s*$(?:\n {{4,}}.*$)*?\n {{4}}version:\s*['\"]?([^'\"\s]+)", re.M)
_ASKED = re.compile(rf"^[ \t]+espressif/({_NAMES}):[ \t]*(?:\n[ \t]+version:[ \t]*)?['\"]?([^'\"\n{{]*)", re.M)
_LOCK_TARGET = re.compile(r"^target:\s*['\"]?(esp32\w*)", re.M)
_OWN_VERSION = re.compile(r"^version:\s*['\"]?([0-9][^'\"\s]*)", re.M)
_SDK_TARGET = re.compile(r'^CONFIG_IDF_TARGET="(esp32\w*)"', re.M)
_STATIC = "TF_LITE_STATIC_MEMORY"


def _packages() -> Mapping[str, str]:
    """TFLM versions of Arduino libraries by the name in their ``library.properties``."""
    return {version.package: name for name, version in known_versions().items() if version.package}


def _component(path: str, name: str, version: str, sure: Sure) -> Iterator[Evidence]:
    said = f"{name} {version}"
    library = components()[name]
    if library:
        yield Evidence(path, said, sure, library=f"{library}-{version}")
        return
    try:
        yield Evidence(path, said, sure, version=find_version(f"{name}-{version}").name)
    except TargetError as error:
        yield Evidence(path, f"{said}: {error}", Sure.POSSIBLE)


def dependencies_lock(path: str, text: str) -> Iterator[Evidence]:
    """``dependencies.lock`` of ESP-IDF's component manager: the versions that are built, and the chip."""
    for name, version in _LOCKED.findall(text):
        if _NUMBER.fullmatch(version):
            yield from _component(path, name, version, Sure.CERTAIN)
    for chip in _LOCK_TARGET.findall(text):
        yield Evidence(path, f"target {chip}", Sure.CERTAIN, core=chip)


def idf_component(path: str, text: str) -> Iterator[Evidence]:
    """``idf_component.yml``: a component's own version, or what a project asks for."""
    folder = path.replace("\\", "/").rpartition("/")[0].rpartition("/")[2]
    own = _OWN_VERSION.search(text)
    for name in components():
        if folder in (f"espressif__{name}", name) and own and _NUMBER.fullmatch(own[1]):
            yield from _component(path, name, own[1], Sure.CERTAIN)
    for name, asked in _ASKED.findall(text):
        exact = _NUMBER.fullmatch(asked.strip().removeprefix("=="))
        if exact:
            yield from _component(path, name, exact[0], Sure.LIKELY)
        else:
            version = next((v.name for v in known_versions().values() if v.family == name), "")
            said = f"asks for {name} {asked.strip() or 'of any version'}: a fresh build takes the newest"
            yield Evidence(path, said, Sure.POSSIBLE, version=version)


def sdkconfig(path: str, text: str) -> Iterator[Evidence]:
    """``sdkconfig`` of ESP-IDF: the chip, and how its kernel library is built."""
    for chip in _SDK_TARGET.findall(text):
        yield Evidence(path, f"CONFIG_IDF_TARGET {chip}", Sure.CERTAIN, core=chip)
    for line, library, told in library_settings():
        if re.search(f"^{re.escape(line)}", text, re.M):
            yield Evidence(path, f"{line}: {told}", Sure.CERTAIN, library=library)


def library_properties(path: str, text: str) -> Iterator[Evidence]:
    """``library.properties`` of an Arduino library."""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    version = _packages().get(fields.get("name", "").strip())
    if version:
        said = f"{fields['name'].strip()} {fields.get('version', '').strip()}"
        yield Evidence(path, said, Sure.CERTAIN, version=version)


def platformio(path: str, text: str) -> Iterator[Evidence]:
    """``platformio.ini``: libraries by name, and whether TF_LITE_STATIC_MEMORY is defined."""
    for name, version in _packages().items():
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
            static = _STATIC in text and f"{version}-static" in known_versions()
            said = f"lib_deps has {name}{f', built with {_STATIC}' if static else ''}"
            yield Evidence(path, said, Sure.LIKELY, version=f"{version}-static" if static else version)


def west(path: str, text: str) -> Iterator[Evidence]:
    """``west.yml`` or a submanifest of Zephyr: the revision of its module tflite-micro."""
    for block in re.split(r"^\s*-\s+(?=name:)", text, flags=re.M):
        if not re.match(r"name:\s*tflite-micro\s*$", block, re.M):
            continue
        revision = re.search(r"^\s*revision:\s*['\"]?([\w.-]+)", block, re.M)
        if revision:
            yield from _zephyr(path, revision[1])


def _zephyr(path: str, revision: str) -> Iterator[Evidence]:
    for version in known_versions().values():
        day = version.released.replace("-", "")
        if version.family == "zephyr" and (revision.startswith(version.commit) or revision == f"zephyr_{day}"):
            yield Evidence(path, f"tflite-micro at {revision}", Sure.CERTAIN, version=version.name)
            return
    yield Evidence(path, f"tflite-micro at {revision}, which mcuplan does not know", Sure.POSSIBLE)


READERS: Mapping[str, Reader] = {
    "dependencies.lock": dependencies_lock,
    "idf_component.yml": idf_component,
    "sdkconfig": sdkconfig,
    "library.properties": library_properties,
    "platformio.ini": platformio,
    "west.yml": west,
    "optional.yaml": west,
}
"""Readers by the name of the file."""
