# For daily work. Each target is one script or one command; the build itself is meson's.
.PHONY: build demo test test-all test-agents flakes sim sim-flows mutants bench bench-web screenshots fuzz
.PHONY: coverage compile_commands fmt lint types docs install uninstall package clean

build:
	./scripts/build

# PREFIX=/usr/local, DESTDIR= for a folder that becomes / elsewhere. What is built is taken as it is,
# so that root need not build.
install:
	[ -x build/drover ] || ./scripts/build
	PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) ./scripts/install install

uninstall:
	PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) ./scripts/install uninstall

package:
	./scripts/package

demo:
	./scripts/demo

test:
	./scripts/test

# Takes every kill point, however long that is.
test-all:
	./scripts/test --all

# Real agents: about 1 GB from npm. AGENTS="codex claude:tool" for some of them.
test-agents:
	./scripts/test-agents $(AGENTS)

# SEEDS=400, FROM=a fresh one.
sim:
	./scripts/sim $(or $(SEEDS),400) $(FROM)

# 10,000 random flows, and kills. SEEDS=420, FROM=a fresh one.
sim-flows:
	./scripts/sim --flows $(or $(SEEDS),420) $(FROM)

# Breaks the code on purpose: each mutant of test/sim/mutants must be caught.
mutants:
	./scripts/mutants -j 2

# FLAKES="--times 5 test/integration/turns.test.mjs" for some of the files.
flakes:
	./scripts/flakes $(FLAKES)

bench:
	./scripts/bench

# BENCH_ONLY="bundle first" for some of the parts; BENCH_SECONDS=60 of 1,000 events a second.
bench-web:
	./scripts/bench-web

# Writes docs/images/ anew. ONLY="home jobs" for some of the views.
screenshots:
	./scripts/screenshots $(ONLY)

# FUZZ_SECONDS=60 for each target.
fuzz:
	./scripts/fuzz

coverage:
	./scripts/coverage

# For editors and language servers.
compile_commands: build
	ln -sf build/release/compile_commands.json compile_commands.json

fmt:
	./scripts/setup test
	git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

lint:
	./scripts/setup test
	python3 scripts/lint

# Writes the shapes of the API that the web pages read, from the daemon's own description.
types: build
	TYPES_WRITE=1 DROVER_BIN=build/drover node --test --test-name-pattern="shapes of the web pages" \
		test/integration/openapi.test.mjs

# Writes the pages of docs/ that are made from the sources.
docs:
	python3 scripts/lint --write-docs

clean:
	rm -rf build compile_commands.json
