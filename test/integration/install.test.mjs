// install.test.mjs: what `make install` puts where, the manual pages, and `drover service` with a
// systemctl that notes what it is asked and starts the daemon as systemd would.
//
// runs-with: release
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync,
  writeFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";

import { Daemon, plainEnv, root, run, scratch } from "./lib.mjs";

const script = (action, env) =>
  execFileSync(path.join(root, "scripts/install"), [action], { env: { ...plainEnv, ...env } });
const filesOf = (folder) =>
  readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(folder, entry.name);
    return entry.isDirectory() ? filesOf(at) : [at];
  });

test("install puts each file in its place, by rename, and uninstall removes them all", (t) => {
  const folder = scratch(t);
  const env = { DESTDIR: folder, PREFIX: "/opt/drover" };
  script("install", env);
  const files = filesOf(folder).map((file) => path.relative(folder, file));
  const at = "opt/drover";
  for (const wanted of ["bin/drover", "share/man/man1/drover.1", "share/man/man1/drover-job.1",
    "share/bash-completion/completions/drover", "share/zsh/site-functions/_drover",
    "share/fish/vendor_completions.d/drover.fish", "lib/systemd/system/drover.service",
    "lib/systemd/user/drover.service", "lib/sysusers.d/drover.conf", "share/doc/drover/README.md",
    "share/doc/drover/docs/install.md"]) {
    assert.ok(files.includes(`${at}/${wanted}`), wanted);
  }
  const unit = (whose) =>
    readFileSync(path.join(folder, at, `lib/systemd/${whose}/drover.service`), "utf8");
  const starts = { system: "/opt/drover/bin/drover serve --data /var/lib/drover ",
    user: '"/opt/drover/bin/drover" serve --data "%h/.local/state/drover" ' };
  for (const [whose, start] of Object.entries(starts)) {
    assert.ok(unit(whose).includes(`\nExecStart=${start}`), unit(whose));
    assert.match(unit(whose), /^KillMode=process$/m);
  }

  const binary = path.join(folder, at, "bin/drover");
  const before = statSync(binary);
  script("install", env);
  assert.notEqual(statSync(binary).ino, before.ino, "a program that runs would be written over");
  assert.equal(statSync(binary).mode & 0o777, 0o755);
  const completion = path.join(folder, at, "share/bash-completion/completions/drover");
  execFileSync("bash", ["-n", completion]);

  script("uninstall", env);
  assert.deepEqual(filesOf(folder), []);
});

test("every command has a manual page, which groff takes without a warning", async (t) => {
  const folder = scratch(t);
  const { code, stderr } = await run(["help", "--man", folder]);
  assert.equal(code, 0, stderr);
  const { stdout } = await run(["__complete", "--", ""]);
  const words = stdout.trimEnd().split("\n").map((line) => line.split("\t")[0].split(" ")[0]);
  const pages = words.map((word) => `drover-${word}.1`);
  assert.deepEqual(readdirSync(folder).sort(), ["drover.1", ...pages].sort());
  const job = readFileSync(path.join(folder, "drover-job.1"), "utf8");
  assert.match(job, /^\.SS "drover job run"$/m);
  assert.match(job, /^\\fB\\-\\-timeout\\fR/m);
  const groff = spawnSync("groff", ["-man", "-Tutf8", "-ww", "-z", ...readdirSync(folder)],
    { cwd: folder });
  assert.equal(String(groff.stderr), "");
  assert.equal(groff.status, 0);
  const missing = await run(["help", "--man", path.join(folder, "none")]);
  assert.match(missing.stderr, /none\/drover\.1 cannot be written: No such file or directory/);
});

/** A systemctl that keeps its state in files: it reads the unit, and starts what stands there. */
const SYSTEMCTL = `#!/bin/sh
state=$(dirname "$0") unit=$XDG_CONFIG_HOME/systemd/user/drover.service
echo "$*" >>"$state/asked"
[ -z "$NO_MANAGER" ] || { echo "Failed to connect to bus: No medium found" >&2; exit 1; }
stop() {
    [ -f "$state/pid" ] || return 0
    kill "$(cat "$state/pid")"
    # A dead process stays, without its program, where process 1 waits for none.
    while readlink "/proc/$(cat "$state/pid")/exe" >/dev/null; do sleep 0.05; done
    rm "$state/pid"
}
case $2 in
enable) : >"$state/enabled" ;;
disable) rm -f "$state/enabled"; stop ;;
restart)
    stop
    sh -c 'echo $$ >"$1/pid"; eval "exec $2"' sh "$state" \\
        "$(sed -n 's/%%/%/g; s/\\$\\$/\\\\$/g; s/^ExecStart=//p' "$unit")" \\
        >/dev/null 2>"$state/log" &
    ;;
show)
    [ ! -f "$unit" ] || echo "FragmentPath=$unit"
    if [ -f "$state/enabled" ]; then echo UnitFileState=enabled; fi
    if [ -f "$state/pid" ]; then
        echo "ActiveState=active"; echo "SubState=running"; echo "MainPID=$(cat "$state/pid")"
    else
        echo "ActiveState=inactive"; echo "SubState=dead"; echo "MainPID=0"
    fi
    ;;
esac
`;

class Service {
  constructor(t) {
    const folder = scratch(t);
    this.state = path.join(folder, "bin");
    this.data = path.join(folder, "data$HOME%");
    this.unit = path.join(folder, "config/systemd/user/drover.service");
    mkdirSync(this.state);
    writeFileSync(path.join(this.state, "systemctl"), SYSTEMCTL, { mode: 0o755 });
    this.env = { ...plainEnv, PATH: `${this.state}:${process.env.PATH}`, HOME: folder,
      USER: "nobody-here", XDG_CONFIG_HOME: path.join(folder, "config"), DROVER_DATA: this.data,
      DROVER_MODEL: "scripted/demo" };
    t.after(() => this.pid && process.kill(this.pid, "SIGKILL"));
  }
  get pid() {
    const file = path.join(this.state, "pid");
    return existsSync(file) ? Number(readFileSync(file, "utf8")) : undefined;
  }
  run(args, env = {}) {
    return run(args, { env: { ...this.env, ...env } });
  }
}

test("service install takes over a daemon, and its job goes on; rm ends the service", async (t) => {
  const service = new Service(t);
  const listen = `unix:${service.data}/drover.sock`;
  const daemon = await new Daemon({ data: service.data, listen }).start();
  const job = await service.run(["job", "run", "--detach", "--", "sleep", "1000"]);
  assert.equal(job.code, 0, job.stderr);
  const before = await service.run(["service", "status"]);
  assert.match(before.stdout, /^unit +not installed; 'drover service install' does it$/m);
  assert.match(before.stdout, /^daemon .*, pid \d+; it is not the service's$/m);

  const installed = await service.run(["service", "install"]);
  assert.equal(installed.code, 0, installed.stderr);
  assert.match(installed.stdout, /^ended the daemon that served .* its jobs go on$/m);
  assert.match(installed.stdout, /^it ends when you log out; 'loginctl enable-linger' keeps it$/m);
  assert.equal((await daemon.ended()).code, 0, "it was ended in order");
  const unit = readFileSync(service.unit, "utf8");
  // systemd reads % and $ in it; a path may hold both.
  const data = service.data.replace("$", () => "$$").replace("%", "%%");
  assert.ok(unit.includes(` --data "${data}" `), unit);

  const status = await service.run(["service", "status"]);
  assert.match(status.stdout, /^state +active \(running\), pid \d+$/m);
  assert.match(status.stdout, /^daemon +drover \S+ answers at .*, pid \d+$/m);
  const shown = await service.run(["show", job.stdout.trim()]);
  assert.match(shown.stdout, /running/);

  // By TCP too, from the next start on: the daemon of the unit gives way to itself.
  const again = await service.run(["service", "install", "--listen", "127.0.0.1:0"]);
  assert.equal(again.code, 0, again.stderr);
  assert.doesNotMatch(again.stdout, /^ended/m);
  assert.match(readFileSync(service.unit, "utf8"), / --listen "127\.0\.0\.1:0"$/m);
  assert.equal((await service.run(["service", "install", "--listen", "nonsense"])).code, 2);

  // Another directory, with a daemon of its own, while the service runs.
  const other = path.join(path.dirname(service.data), "other");
  const second = await new Daemon({ data: other, listen: `unix:${other}/drover.sock` }).start();
  const moved = await service.run(["service", "install", "--data", other]);
  assert.equal(moved.code, 0, moved.stderr);
  assert.equal((await second.ended()).code, 0);

  const removed = await service.run(["service", "rm"]);
  assert.equal(removed.code, 0, removed.stderr);
  assert.ok(!existsSync(service.unit));
  assert.equal((await service.run(["service", "rm"])).code, 3);
});

test("without systemd one sentence says what to do instead, and nothing is written", async (t) => {
  const service = new Service(t);
  const silent = await service.run(["service", "install"], { NO_MANAGER: "1" });
  assert.equal(silent.code, 2);
  assert.match(silent.stderr,
    /no systemd that serves this user \(.*No medium found\).*'drover serve'/);
  const absent = await service.run(["service", "install"], { PATH: "/nonexistent" });
  assert.match(absent.stderr, /systemctl cannot be run \(No such file .*'drover serve'/);
  assert.ok(!existsSync(service.unit));
});
