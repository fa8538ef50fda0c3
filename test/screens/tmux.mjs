// tmux.mjs: a command on a real terminal: keys in, the screen as text out.
//
// A screen is taken when it shows what the test waits for; golden files in expected/ are written
// with GOLDEN_WRITE=1.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

import { plainEnv } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";

const LIMIT_MS = scaled(10_000);

export class Tmux {
  /** `line` is a line of a shell; the terminal stays when it has ended. */
  constructor(t, line, { columns = 80, rows = 24, cwd, env = {} } = {}) {
    this.server = `drv-${randomBytes(6).toString("hex")}`;
    this.env = { ...plainEnv, ...env, LC_ALL: "C.UTF-8" };
    const size = ["-x", String(columns), "-y", String(rows)];
    const place = cwd ? ["-c", cwd] : [];
    this.run("-f", "/dev/null", "new-session", "-d", ...size, ...place, `${line}; read gone`);
    t.after(() => this.run("kill-server"));
  }

  run(...words) {
    return execFileSync("tmux", ["-L", this.server, ...words], { env: this.env }).toString();
  }

  /** Types text as it is. */
  type(text) {
    this.run("send-keys", "-l", "--", text);
  }

  /** Presses keys by tmux's names: Enter, M-Enter, C-c. */
  keys(...names) {
    this.run("send-keys", ...names);
  }

  paste(text) {
    this.run("set-buffer", "--", text);
    this.run("paste-buffer", "-p");
  }

  resize(columns, rows = 24) {
    this.run("resize-window", "-x", String(columns), "-y", String(rows));
  }

  screen() {
    return this.run("capture-pane", "-p").trimEnd() + "\n";
  }

  /** The screen, once `fits` says yes; it is asked until then, since tmux reports no change. */
  async when(fits, limit_ms = LIMIT_MS) {
    const end = Date.now() + limit_ms;
    for (let screen; ; ) {
      screen = this.screen();
      if (fits(screen)) return screen;
      assert.ok(Date.now() < end, `the screen never showed it:\n${screen}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Compares a screen with expected/NAME.txt; `hide` replaces what differs from run to run. */
export function golden(name, screen, hide = (text) => text) {
  const file = new URL(`expected/${name}.txt`, import.meta.url);
  const shown = hide(screen);
  if (process.env.GOLDEN_WRITE) writeFileSync(file, shown);
  assert.ok(existsSync(file), `GOLDEN_WRITE=1 writes ${name}`);
  assert.equal(shown, readFileSync(file, "utf8"));
}
