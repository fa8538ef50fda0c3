// worktrees.test.mjs: working trees of agents, as routes and commands show them.
//
// runs-with: release, san, postgres
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";
import { call, script, Talk, USAGE } from "./talk.mjs";

const ALLOWED = { settings: { permissions: [{ permission: "allow" }] } };
const WORK = script(call("write_file", { path: "made.txt", content: "made\n" }), USAGE, "step:",
  call("write_file", { path: "file.txt", content: "one\ntwo\n" }), USAGE, "step:", "say: Done.",
  USAGE);
const WHEN = "2026-01-02T03:04:05Z";

function repository(root) {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1",
    GIT_AUTHOR_DATE: WHEN, GIT_COMMITTER_DATE: WHEN };
  const git = (...words) => execFileSync("git", ["-C", root, ...words], { env });
  git("init", "-q", "-b", "main");
  writeFileSync(path.join(root, "file.txt"), "one\n");
  git("add", ".");
  git("-c", "user.name=me", "-c", "user.email=me@localhost", "commit", "-q", "-m", "first");
}

golden("worktrees", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, ["worktree", ...args]);
  repository(record.root);
  await cli("ls");
  const talk = await Talk.begin(record, daemon, { ...ALLOWED, worktree: { name: "fix" } });
  await cli("ls");
  await talk.turn(WORK);
  const { id, look } = (await daemon.request("GET", "/api/v1/worktrees?look=true")).json.items[0];
  const shown = (await daemon.cli(["worktree", "show", "fix"])).stdout;
  record.names.add(`${look.bytes}`, "<n>"); // The size of folders is that of the file system.
  record.names.add(/^size +(.*)$/m.exec(shown)[1], "<size>");
  const of = `worktrees/${id}`;
  await talk.ask("GET", "worktrees");
  await talk.ask("GET", "worktrees?look=true&state=ready");
  await talk.ask("GET", of);
  await talk.ask("GET", `${of}/diff`);
  await talk.ask("GET", `${of}/diff?path=made.txt`);
  await talk.ask("GET", `${of}/diff?path=../file.txt`);
  await talk.ask("DELETE", of);
  await talk.ask("POST", "worktrees/prune", { preview: true });
  await cli("ls", "--state", "ready", "--json");
  await cli("show", "fix");
  await cli("show", "fix", "--json");
  await cli("show", "nobody");
  await cli("diff", "fix");
  await cli("diff", "fix", "made.txt", "--json");
  await cli("open", "fix", "--print");
  await cli("open", "fix", "--json");
  await talk.ask("POST", `${of}/apply`, { preview: true, paths: ["made.txt"] });
  await cli("apply", "fix", "--preview");
  await cli("apply", "fix", "--preview", "--json");
  await cli("apply", "fix", "--path", "made.txt");
  await cli("apply", "fix", "--json");
  await cli("apply", "fix");
  await talk.ask("POST", `${of}/apply`, { paths: "made.txt" });
  await cli("rm", "fix");
  await cli("prune");
  await daemon.request("PATCH", `/api/v1/sessions/${talk.session}`, { body: { archived: true } });
  await cli("prune", "--dry-run");
  await cli("prune", "--json");
  await cli("rm", "fix", "--force");
  await talk.ask("GET", "worktrees?state=gone");
  await talk.ask("DELETE", of);
  const other = await Talk.begin(record, daemon, { ...ALLOWED, worktree: { name: "more" } });
  await other.turn(script("say: Nothing.", USAGE));
  await cli("rm", "more", "--json");
  const third = await Talk.begin(record, daemon, { ...ALLOWED, worktree: { name: "third" } });
  await third.turn(script("say: Nothing.", USAGE));
  const [{ id: last }] = (await daemon.request("GET", "/api/v1/worktrees")).json.items;
  await talk.ask("DELETE", `worktrees/${last}`);
});
