#!/usr/bin/env python3
"""engine.py: makes the JavaScript engine: WebAssembly from npm, through wasm2c, to a library.

    engine.py --wasm FILE --sha256 HEX --wasm2c PROGRAM --cc PROGRAM --out FOLDER -- FLAGS...

It leaves libquickjs.a, quickjs.h and wasm-rt.h in the folder.

What comes out depends on nothing but what is hashed into its key, so it is kept between build
directories: $DROVER_ENGINE_CACHE, else drover-engine in $XDG_CACHE_HOME or ~/.cache. A cache that
is missing, broken or not writable costs a build (half a minute on two cores), never an error.
"""
import argparse
import concurrent.futures
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile

RUNTIME = "/usr/src/wasm2c"  # wasm2c's own, compiled into the library.
PARTS = 12  # wasm2c writes one file of 260,000 lines; its functions are dealt out to so many.
MODULE = "quickjs"
UNITS = ("wasm-rt-impl.c", "wasm-rt-mem-impl.c")  # wasm2c 1.0.32 has all in the first.
PRODUCTS = (f"lib{MODULE}.a", MODULE + ".h", "wasm-rt.h")
# Each access is checked in software, and the depth of the stack by the engine itself. wasm2c 1.0.32
# knows the first and second of these names, 1.0.36 the first and third.
DEFINES = ["-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0", "-DWASM_RT_USE_STACK_DEPTH_COUNT=0",
           "-DWASM_RT_NONCONFORMING_UNCHECKED_STACK_EXHAUSTION=1",
           # A trap ends the process, in a function of the worker.
           "-DWASM_RT_TRAP_HANDLER=engine_trapped", "-includeengine.h"]
DECLARED = "__attribute__((noreturn)) void engine_trapped(unsigned code);\n"


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def said(*command):
    return subprocess.check_output(command)


def key_of(options, wasm):
    ingredients = [
        contents(__file__), wasm, said(options.wasm2c, "--version"), said(options.cc, "--version"),
        said(options.cc, "-dumpmachine"), "\0".join(options.flags).encode(),
        *(contents(os.path.join(RUNTIME, name)) for name in sorted(os.listdir(RUNTIME))),
    ]
    total = hashlib.sha256()
    for ingredient in ingredients:
        total.update(hashlib.sha256(ingredient).digest())
    return total.hexdigest()


def cache_folder():
    named = os.environ.get("DROVER_ENGINE_CACHE")
    if named:
        return named
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(home, "drover-engine")


# --- Names ---------------------------------------------------------------------------------------

NEW_NAME = re.compile(r"\b(wasm2c|w2c)_(quickjs|env|wasi__snapshot__preview1)(?:_(\w+))?\b")


def old_name(match):
    kind, module, name = match.groups()
    module = module.replace("__", "_")
    if name is None:
        return f"Z_{module}_instance_t"
    return f"Z_{module}{'_' if kind == 'wasm2c' else 'Z_'}{name.replace('0x5F', '_')}"


def with_old_names(text):
    """wasm2c 1.0.36 names things otherwise than 1.0.32 does, whose names the worker uses."""
    return NEW_NAME.sub(old_name, text)


def header_of(text):
    """A module of 1.0.36 needs no initialisation."""
    text, init = with_old_names(text), f"Z_{MODULE}_init_module(void)"
    return text if init in text else f"{text}static inline void {init} {{}}\n"


# --- One file of C becomes many ------------------------------------------------------------------


def chunks(lines):
    """Top-level definitions, each with what stands before it."""
    chunk = []
    for line in lines:
        chunk.append(line)
        if line.startswith("}"):
            yield chunk
            chunk = []
    yield chunk


def cut(source):
    """(what all parts share, [parts]): functions of the module lose their `static`."""
    lines = source.split("\n")

    def line_of(start):
        return next(i for i, line in enumerate(lines) if line.startswith(start))

    bodies = line_of("static void init_globals")

    def published(line):
        return re.sub(r"^static (\w+ (?:w2c|Z)_)", r"\1", line)

    # Types of functions are compared by their address first: they are there once. They are numbers
    # that the module asks for (1.0.32), or texts (1.0.36).
    shared, main, functions, inside = [], [], [], False
    for line in lines[:bodies]:
        inside = inside or line.startswith("static void init_func_types")
        text = re.match(r"FUNC_TYPE_T\((\w+)\) = ", line)
        if inside or line.startswith("static bool s_module_initialized"):
            main.append(line)
        elif line.startswith("static u32 func_types["):
            main.append(line[len("static "):])
            shared.append("extern " + line[len("static "):])
        elif text:
            main.append(f"const char {text[1]}[] = {line[text.end():]}")
            shared.append(f"extern const char {text[1]}[];")
        else:
            shared.append(published(line))
        inside = inside and line != "}"
    for chunk in chunks(lines[bodies:]):
        heads = (i for i, line in enumerate(chunk) if re.match(r"static \w+ (w2c|Z)_.*\(", line))
        head = next(heads, None)
        if head is None:
            main += chunk
        else:
            functions.append(chunk[:head] + [published(chunk[head])] + chunk[head + 1:])
    total, seen, parts = sum(map(len, functions)), 0, [[] for _ in range(PARTS)]
    for function in functions:
        parts[seen * PARTS // total] += function
        seen += len(function)
    return shared, [main] + parts


def write(path, lines):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def make(options, folder):
    """Leaves the products in the folder, beside much else."""
    generated = os.path.join(folder, "generated.c")
    subprocess.check_call([options.wasm2c, "-n", MODULE, options.wasm, "-o", generated])
    with open(generated, encoding="utf-8") as file:
        text = with_old_names(file.read())
    os.remove(generated)
    shared, parts = cut(text.replace('"generated.h"', f'"{MODULE}.h"'))
    with open(os.path.join(folder, "generated.h"), encoding="utf-8") as file:
        write(os.path.join(folder, MODULE + ".h"), [header_of(file.read())])
    write(os.path.join(folder, "shared.h"), ["#pragma GCC visibility push(hidden)"] + shared)
    write(os.path.join(folder, "engine.h"), [DECLARED])
    names = []
    for number, part in enumerate(parts):
        names.append(f"part{number:02}")
        write(os.path.join(folder, names[-1] + ".c"), ['#include "shared.h"'] + part)
    for name in os.listdir(RUNTIME):
        shutil.copy(os.path.join(RUNTIME, name), folder)
    names += [name[:-2] for name in UNITS if os.path.exists(os.path.join(folder, name))]

    def compile_one(name):
        subprocess.check_call(
            [options.cc, *options.flags, *DEFINES, "-w", "-I.", "-c", name + ".c"], cwd=folder)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(compile_one, names))
    subprocess.check_call(["ar", "crsD", f"lib{MODULE}.a"] + [name + ".o" for name in names],
                          cwd=folder)


# --- The cache -----------------------------------------------------------------------------------


def seal(folder):
    """The hash of the files: a torn or damaged entry is not taken for a whole one."""
    total = hashlib.sha256()
    for name in PRODUCTS:
        total.update(hashlib.sha256(contents(os.path.join(folder, name))).digest())
    return total.hexdigest()


def deliver(folder, out):
    for name in PRODUCTS:
        shutil.copyfile(os.path.join(folder, name), os.path.join(out, name))


def kept(entry, out):
    try:
        if contents(os.path.join(entry, "seal")).decode() != seal(entry):
            return False
        deliver(entry, out)
        return True
    except (OSError, UnicodeDecodeError):
        return False


def keep(folder, entry):
    """By rename, so that two builds at once cannot see half of each other's."""
    try:
        os.makedirs(os.path.dirname(entry), exist_ok=True)
        with tempfile.TemporaryDirectory(dir=os.path.dirname(entry)) as beside:
            fresh = os.path.join(beside, "entry")
            os.mkdir(fresh)
            deliver(folder, fresh)
            with open(os.path.join(fresh, "seal"), "w", encoding="utf-8") as file:
                file.write(seal(fresh))
            if os.path.exists(entry):
                os.rename(entry, os.path.join(beside, "old"))
            os.rename(fresh, entry)
    except OSError as error:
        print(f"engine.py: not kept: {error}", file=sys.stderr)


def main():
    parser = argparse.ArgumentParser()
    for name in ("--wasm", "--sha256", "--wasm2c", "--cc", "--out"):
        parser.add_argument(name, required=True)
    parser.add_argument("flags", nargs="*")
    options = parser.parse_args()
    try:
        wasm = contents(options.wasm)
    except OSError as error:
        sys.exit(f"engine.py: {error.strerror}: {options.wasm}; scripts/setup build puts it"
                 " there, or give the file to meson: -Dengine=FILE")
    found = hashlib.sha256(wasm).hexdigest()
    if found != options.sha256:
        sys.exit(f"engine.py: {options.wasm} is not the engine that is pinned: SHA-256 {found}")
    entry = os.path.join(cache_folder(), key_of(options, wasm))
    if kept(entry, options.out):
        return
    with tempfile.TemporaryDirectory() as folder:
        make(options, folder)
        keep(folder, entry)
        deliver(folder, options.out)


if __name__ == "__main__":
    main()
