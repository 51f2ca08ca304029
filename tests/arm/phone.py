"""A phone for tests on an x86-64 Debian machine: arm64 programs under user-mode QEMU, reached over adb.

Real are the arm64 builds of adbd, of its shell and of ``taskset``, the worker's classes, and Android's own
libraries of the engines. Stood in for is ``app_process``: a Java machine, with bionic's names on Debian's C
library.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from tests.android.bionic import EMPTY, find_imports, write_libc, write_versions
from tests.arm.userland import MIRROR, Apt, run_tool, unpack_qemu, unpack_root

ROOM = Path(__file__).parents[2] / "android_demo"
BUILT = ROOM / "worker" / "target"
AAR = ROOM / "archives" / "target" / "aar"
COMPILER = "aarch64-linux-gnu-gcc"
PACKAGES = ("adbd", "dash", "coreutils", "util-linux", "openjdk-21-jre-headless", "libstdc++6")
MOUNT_POINTS = ("proc", "dev", "sys", "tmp", "system", "data")
JAVA = "/usr/lib/jvm/java-21-openjdk-arm64/bin/java"
# What app_process does: options for the virtual machine, a folder, a class and its arguments. The jar that
# was pushed is dex, which needs Android: it must be there; the same classes are taken as Java compiled them.
APP_PROCESS = f"""\
#!/bin/sh
[ -f "$CLASSPATH" ] || exit 8
option=$1
shift 2
unset CLASSPATH
export LD_LIBRARY_PATH="/system/lib64:$LD_LIBRARY_PATH" LD_PRELOAD=/system/lib64/libpreload.so
exec {JAVA} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "$option" -cp '/system/framework/*' "$@"
"""

JUMP = "adrp x16, slots+{0}\n ldr x16, [x16, :lo12:slots+{0}]\n br x16"
# Java opens a library without RTLD_DEEPBIND, and its C++ exceptions would then be those of Java's libstdc++.
# Android keeps a stack guard, which must not change, 40 bytes after the thread pointer: in the thread-local
# variables of the first library that is preloaded.
PRELOAD = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
__thread char guard[256] __attribute__((tls_model("initial-exec"), aligned(16)));
__attribute__((constructor)) static void keep(void) { guard[200] = 1; }
void *dlopen(const char *name, int flags) {
  void *(*real)(const char *, int) = dlsym(RTLD_NEXT, "dlopen");
  return real(name, name && strncmp(name, "/data/", 6) == 0 ? flags | RTLD_DEEPBIND : flags);
}
"""


def find_obstacle() -> str:
    """Why no phone can be made here; empty where it can."""
    if not (BUILT / "worker").is_dir():
        return "the Android worker is not built: mvn -f android_demo package -pl worker -am -DskipTests"
    return "" if shutil.which(COMPILER) else f"no {COMPILER}: apt-get install gcc-aarch64-linux-gnu"


def build_phone(folder: Path, mirror: str = MIRROR) -> Path:
    """Download and unpack the programs, some 60 MB, or take what is there; needs no root.

    Args:
        folder: where they are kept, beside the emulator ``userland.QEMU``.
        mirror: of Debian.

    Returns:
        The phone's root, in which ``system`` and ``data`` are empty.

    Raises:
        UserError: a download failed.
    """
    root = folder.resolve() / "root"
    if root.exists():
        return root
    apt = Apt(folder.resolve() / "apt", mirror)
    apt.update()
    unpack_qemu(apt, folder.resolve())
    partial = root.with_name("root.partial")
    unpack_root(apt, PACKAGES, partial)
    for name in MOUNT_POINTS:
        (partial / name).mkdir()
    shutil.rmtree(apt.folder)
    return partial.rename(root)


def write_system(folder: Path) -> None:
    """Fill the phone's ``/system``: the stand-in for app_process, the worker's classes, and bionic's names.

    Raises:
        UserError: the compiler fails.
    """
    for name in ("bin", "framework", "lib64"):
        (folder / name).mkdir(parents=True)
    program = folder / "bin" / "app_process"
    program.write_text(APP_PROCESS)
    program.chmod(0o755)
    for index, jar in enumerate(_worker_jars()):
        shutil.copy(jar, folder / "framework" / f"{index}-{jar.name}")
    _write_bionic(folder / "lib64")


def _write_bionic(folder: Path) -> None:
    """Android's system libraries, as far as those of the engines need them, and what Java preloads."""
    imports = find_imports((BUILT / "worker" / "lib" / "arm64-v8a").glob("*.so"))
    (folder / "versions").write_text(write_versions(imports))
    libc = {"libc.so": write_libc(imports, JUMP), **dict.fromkeys(EMPTY, "")}
    for name, code in {**libc, "libpreload.so": PRELOAD}.items():
        (folder / f"{name}.c").write_text(code)
        command = [COMPILER, "-shared", "-fPIC", "-O1", "-fno-builtin", "-o", name, f"{name}.c"]
        options = ["-Wl,--version-script=versions", "-Wl,--no-as-needed", "-lm"] if name in libc else []
        run_tool([*command, f"-Wl,-soname,{name}", *options], cwd=folder)


def _worker_jars() -> Iterable[Path]:
    """What worker/pom.xml gives to D8."""
    for module in ("core", "engines", "worker"):
        jars = (ROOM / module / "target").glob(f"{module}-*.jar")
        yield from (jar for jar in jars if not jar.stem.endswith("-tests"))
    yield from (BUILT / "tools" / f"{name}.jar" for name in ("kotlin-stdlib", "nativeloader"))
    yield from (AAR / name / "classes.jar" for name in ("tensorflow-lite", "tensorflow-lite-api", "fbjni"))
    yield AAR / "executorch" / "package" / "android" / "libs" / "classes.jar"
