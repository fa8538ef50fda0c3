// stay.mjs: a command of the CLI that stays, and is read while it runs.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { bin, plainEnv } from "./lib.mjs";

/** A command that stays. lines() waits for that many lines of its output, endsWith() for its end
 *  with that exit code; both fail with its stderr when it ends otherwise. */
export function stay(t, daemon, args, env = {}) {
  const child = spawn(bin, args, { env: { ...plainEnv, DROVER_DATA: daemon.data, ...env } });
  t.after(() => child.kill("SIGKILL"));
  const got = [];
  const waiting = [];
  const reader = createInterface({ input: child.stdout }).on("line", (line) => {
    got.push(line);
    for (const wait of waiting) if (got.length >= wait.count) wait.resolve(got);
  });
  child.errors = "";
  child.stderr.on("data", (chunk) => (child.errors += chunk));
  child.ended = Promise.all([once(child, "close"), once(reader, "close")]).then(
    ([[code, signal]]) => ({ code, signal }),
  );
  const story = (end) => `'${args.join(" ")}' ended: ${JSON.stringify(end)}\n${child.errors}`;
  child.lines = async (count) => {
    const enough = new Promise((resolve) => waiting.push({ count, resolve }));
    const end = got.length >= count ? undefined : await Promise.race([enough, child.ended]);
    assert.ok(got.length >= count, `${got.length} of ${count} lines; ${story(end)}`);
    return got;
  };
  child.endsWith = async (code) => {
    const end = await child.ended;
    assert.deepEqual(end, { code, signal: null }, story(end));
  };
  return child;
}
