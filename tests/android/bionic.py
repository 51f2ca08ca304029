"""Android's x86-64 libraries in a desktop's process, for the tests of android_demo's engines.

``python tests/android/bionic.py FOLDER LIBRARY...`` links the libraries into ``FOLDER`` and compiles there,
with the desktop's ``cc``:

- ``libc.so``, ``libm.so``, ``libdl.so``, ``liblog.so`` and ``libandroid.so``: the names and versions that the
  libraries ask of Android's C library, as jumps into glibc; what differs is in ``bionic.c``;
- ``libload.so``, which opens the libraries in their order as it is loaded itself, with RTLD_DEEPBIND: Java
  has no such flag, and their C++ exceptions would be those of the JVM's libstdc++. Java finds them open.

Name a library before those that it needs, as Java does: they then use its C++ runtime, as on Android.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

SOURCE = Path(__file__).with_name("bionic.c")
OWN = "bionic_"  # prefix of what bionic.c has in place of glibc
LOG_NAMES = "__android_log_"  # the only names that libraries ask for without a version
EMPTY = ("libm.so", "libdl.so", "liblog.so", "libandroid.so")

LIBC = """\
#include "{source}"
#include <dlfcn.h>
static void *slots[{count}] __attribute__((used));
static const char *const names[] = {{{names}}};
static void stop(void) {{ fputs("bionic.py: a function that glibc lacks was called\\n", stderr), abort(); }}
__attribute__((constructor)) static void fill(void) {{
  for (int i = 0; i < {count}; i++) {{
    void *found = dlsym(RTLD_NEXT, names[i]);
    slots[i] = found ? found : (void *)stop;
  }}
}}
__asm__({assembly});
"""
LOAD = """\
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
__attribute__((constructor)) static void load(void) {{
  const char *const paths[] = {{{paths}}};
  for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++)
    if (!dlopen(paths[i], RTLD_NOW | RTLD_DEEPBIND)) fprintf(stderr, "%s\\n", dlerror());
}}
"""


def find_imports(libraries: Iterable[Path]) -> dict[str, str]:
    """Names that the libraries import from Android's C library → their version there."""
    listing = subprocess.run(
        ["nm", "-D", "-u", *libraries], check=True, capture_output=True, text=True
    ).stdout
    versioned = dict(re.findall(r" (\S+?)@+(LIBC\w*)$", listing, re.MULTILINE))
    return {**versioned, **dict.fromkeys(re.findall(rf" ({LOG_NAMES}\w+)$", listing, re.MULTILINE), "LIBC")}


def write_libc(imports: dict[str, str]) -> str:
    """C of a library that exports the names: what bionic.c has not jumps to glibc's function of that name."""
    own = set(re.findall(rf"\b{OWN}(\w+)(?=[(\[,;])", SOURCE.read_text()))
    forwarded = sorted(set(imports) - own)
    jumps = [
        f".text\n.globl {OWN}{name}\n.type {OWN}{name}, @function\n{OWN}{name}: jmp *slots+{8 * index}(%rip)"
        for index, name in enumerate(forwarded)
    ]
    # "@" leaves glibc's function of that name to this library itself; "@@" serves imports without a version.
    marks = {name: "@@" if name.startswith(LOG_NAMES) else "@" for name in imports}
    versions = [f".symver {OWN}{name}, {name}{marks[name]}{version}" for name, version in imports.items()]
    return LIBC.format(
        source=SOURCE,
        count=len(forwarded),
        names=", ".join(map(json.dumps, forwarded)),
        assembly="\n".join(json.dumps(f"{line}\n") for line in jumps + versions),
    )


def build(folder: Path, libraries: Sequence[Path]) -> None:
    """Fill the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    imports = find_imports(libraries)
    nodes = [
        f"{version} {{ global: {' '.join(f'{n};' for n, v in imports.items() if v == version)} local: *; }};"
        for version in sorted(set(imports.values()))
    ]
    (folder / "versions").write_text("\n".join(nodes))

    def compile_library(name: str, code: str, *options: str) -> None:
        (folder / f"{name}.c").write_text(code)
        command = ["cc", "-shared", "-fPIC", "-O1", "-fno-builtin", f"-Wl,-soname,{name}", "-o", name]
        subprocess.run([*command, f"{name}.c", *options], cwd=folder, check=True)

    with_versions = "-Wl,--version-script=versions"
    compile_library("libc.so", write_libc(imports), with_versions, "-Wl,--no-as-needed", "-lm")
    for name in EMPTY:
        compile_library(name, "", with_versions)
    # A library that needs the library, for its RPATH: what is needed in turn is looked for there, too.
    by_path = ("-L.", "-Wl,--no-as-needed,--disable-new-dtags,-rpath," + str(folder))
    for library in libraries:
        link = folder / library.name
        link.unlink(missing_ok=True)
        compile_library(link.name, "")  # a stand-in: ExecuTorch's own soname is not its file's name
        compile_library(f"needs-{link.name}", "", *by_path, f"-l:{link.name}")
        link.unlink()
        link.symlink_to(library)
    paths = (json.dumps(str(folder / f"needs-{library.name}")) for library in libraries)
    compile_library("libload.so", LOAD.format(paths=", ".join(paths)))


if __name__ == "__main__":
    build(Path(sys.argv[1]).absolute(), [Path(library).absolute() for library in sys.argv[2:]])
