// sql.mjs: changes the rows of a daemon that is down, past everything that drover checks.
import { execFileSync } from "node:child_process";
import path from "node:path";

/** Ends without closing, so that the log stays: Python's SQLite would copy it into the database
 * file without the checksums of pages. */
const program = [
  "import json, os, sqlite3, sys",
  "base = sqlite3.connect(sys.argv[1])",
  "base.execute('PRAGMA wal_autocheckpoint=0')",
  "for text in json.load(sys.stdin): base.execute(text)",
  "base.commit()",
  "os._exit(0)",
].join("\n");

/** Runs each statement, by SQLite's module of Python or by psql. */
export function sql(daemon, ...statements) {
  const url = daemon.env.DROVER_DATABASE;
  if (url) {
    const input = statements.map((text) => `${text};\n`).join("");
    execFileSync("psql", ["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", url], { input });
  } else {
    const input = JSON.stringify(statements);
    execFileSync("python3", ["-c", program, path.join(daemon.data, "drover.db")], { input });
  }
}

/** Stops the daemon, runs each statement, and starts it again. */
export async function change({ daemon }, ...statements) {
  await daemon.stop();
  sql(daemon, ...statements);
  await daemon.start();
}
