// world.mjs: what make.mjs puts into a database, and how tests take it out of its file.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const folder = fileURLToPath(new URL("databases/", import.meta.url));
/** Stands in a dump for the schema's own name. */
export const SCHEMA = "drover_upgrade";

/** Its first agent has answered, and its second one answers when it is asked again. */
export const WORKFLOW = `export const meta = { name: "half", description: "two agents" };
const first = await agent("say: one", { label: "first" });
const second = await agent("delay: 10s\\nsay: two", { label: "second" });
return first + " and " + second;
`;

export const FLOW = `export default {
  name: "upgrade",
  description: "waits for a person",
  steps: [
    { id: "count", kind: "code", run: (ctx) => "count " + ctx.input.question },
    { id: "good", kind: "approval", deps: ["count"], run: (ctx) => "Is it good?" },
    { id: "out", kind: "code", deps: ["good"], run: (ctx) => ctx.results.count + ", good" },
  ],
  render: (ctx) => ctx.results.out,
};
`;

export const schemaOf = (url) => /search_path%3D(\w+)/.exec(url)[1];

const text = (program, words, options) =>
  execFileSync(program, words, { encoding: "utf8", ...options }).trim();

/** One value, past the daemon. */
export function value({ env, data }, statement) {
  if (env.DROVER_DATABASE) {
    return text("psql", ["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", env.DROVER_DATABASE,
      "-c", statement]);
  }
  const program = "import sqlite3, sys\n" +
    "base = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)\n" +
    "print(base.execute(sys.argv[2]).fetchone()[0])";
  return text("python3", ["-c", program, path.join(data, "drover.db"), statement]);
}

export const version = (daemon) => Number(value(daemon, "SELECT version FROM schema"));

/** The versions that are stored for the database under test. */
export const versions = () => readdirSync(folder)
  .filter((name) => name.includes(process.env.DROVER_DATABASE ? ".postgres." : ".sqlite."))
  .map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);

/** Puts the database of that version where the daemon will look for it. */
export function unpack(daemon, number) {
  const url = daemon.env.DROVER_DATABASE;
  mkdirSync(daemon.data, { recursive: true, mode: 0o700 });
  const file = path.join(folder, `${number}.${url ? "postgres" : "sqlite"}.tar.gz`);
  execFileSync("tar", ["-xzf", file, "-C", daemon.data]);
  const dump = path.join(daemon.data, "dump.sql");
  if (existsSync(dump)) {
    const input = readFileSync(dump, "utf8").replaceAll(SCHEMA, schemaOf(url));
    execFileSync("psql", ["-qX", "-v", "ON_ERROR_STOP=1", "-d", url], { input });
  }
}
