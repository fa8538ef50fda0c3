// user.mjs: a user whose commands start the daemon that they need.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";

import { Daemon, bin, plainEnv, run, scratch } from "./lib.mjs";
import { kill, killLeft, read } from "./processes.mjs";

/** A user with a data directory, and whatever daemon his commands start in it. */
export class User {
  constructor(t, { env = {}, data } = {}) {
    this.folder = scratch(t);
    this.data = data ?? path.join(this.folder, "data");
    this.env = {
      ...plainEnv, DROVER_NO_START: "", HOME: this.folder, DROVER_DATA: this.data,
      DROVER_MODEL: "scripted/demo", DROVER_HOLD_AFTER: "0", ...env,
    };
    t.after(() => {
      if (this.pid !== undefined) kill(this.pid);
      for (let pass = 0; pass < 100 && !killLeft(this.data); pass++);
    });
  }

  cli(...args) {
    return run(args, { env: this.env });
  }

  /** On a terminal, where stdout and stderr are one, and `typed` is all that comes. */
  async terminal(line, env = {}, typed = "", columns = 200) {
    const words = ["-qefc", `stty rows 50 columns ${columns}; exec '${bin}' ${line}`, "/dev/null"];
    const more = { TERM: "xterm", ...env };
    const child = spawn("script", words, { env: { ...this.env, ...more }, stdio: "pipe" });
    let shown = "";
    child.stdout.on("data", (piece) => (shown += piece));
    child.stdin.end(typed);
    const [code] = await once(child, "close");
    return { code, shown: shown.replaceAll("\r\n", "\n") };
  }

  async ok(...args) {
    const end = await this.cli(...args);
    assert.equal(end.code, 0, `${args.join(" ")}: ${end.stderr}${this.log}`);
    return end.stdout;
  }

  /** Of the daemon that lives, over its socket. */
  request(method, target, options = {}) {
    const daemon = { socket: path.join(this.data, "drover.sock") };
    return Daemon.prototype.request.call(daemon, method, target, { local: true, ...options });
  }

  get log() {
    return read(path.join(this.data, "log"));
  }

  /** Of the daemon that lives; the file outlives it. */
  get pid() {
    const pid = Number(read(path.join(this.data, "drover.lock")));
    const words = pid > 0 ? read(`/proc/${pid}/cmdline`).split("\0") : [];
    return words.includes(this.data) ? pid : undefined;
  }

  get starts() {
    return this.log.split("\n").filter((line) => line.includes('"what":"serving"')).length;
  }
}
