// changes.test.mjs: the files that agents changed, as routes and commands show them.
//
// runs-with: release, san, postgres
import { writeFileSync } from "node:fs";
import path from "node:path";

import { until } from "../integration/providers.mjs";
import { golden } from "./golden.mjs";
import { call, script, Talk, USAGE } from "./talk.mjs";

const ALLOWED = { settings: { permissions: [{ permission: "allow" }] } };
const WORK = script(
  call("edit_file", { path: "edited.txt", old_text: "two\n", new_text: "second\n" }), USAGE,
  "step:", call("write_file", { path: "made.txt", content: "made\n" }), USAGE,
  "step:", call("delete_file", { path: "gone.txt" }), USAGE, "step:", "say: Done.", USAGE);

golden("changes", async (record) => {
  const daemon = await record.daemon();
  const cli = (...args) => record.cli(daemon, args);
  writeFileSync(path.join(record.root, "edited.txt"), "one\ntwo\nthree\n");
  writeFileSync(path.join(record.root, "gone.txt"), "gone\n");
  writeFileSync(path.join(record.root, ".env"), "KEY=1\n");
  await cli("changes");
  const talk = await Talk.begin(record, daemon, ALLOWED);
  const of = `sessions/${talk.session}`;
  await talk.ask("GET", `${of}/changes`);
  await cli("changes", talk.session);
  await cli("diff", talk.session);

  const { run } = await talk.turn(WORK);
  await until("the turn has its last point", async () => (await daemon.request("GET",
    `/api/v1/${of}/changes`)).json.to?.phase === "end");
  const told = await talk.until("changes_changed");
  record.add("=== <stream>", "event changes_changed", `  ${Object.keys(told).join(", ")}`);
  const { files } = await record.ok(daemon, "GET", `${of}/changes`);
  await talk.ask("GET", `${of}/changes?limit=1&after=edited.txt`);
  await talk.ask("GET", `${of}/diff`);
  await talk.ask("GET", `${of}/diff?path=made.txt`);
  await talk.ask("PUT", `${of}/viewed`, { path: "made.txt", after: files[2].after, viewed: true });
  await talk.ask("PUT", `runs/${run}/viewed`, { path: "gone.txt", viewed: true });
  await talk.ask("PUT", `runs/${run}/viewed`, { path: "gone.txt", viewed: false });
  await talk.ask("GET", `${of}/changes?since=viewed`);
  await talk.ask("GET", `runs/${run}/changes?limit=1&base=start`);
  await talk.ask("GET", `runs/${run}/diff?path=gone.txt`);
  for (const query of ["base=turn:2", "base=never", "since=never", "after=../a"]) {
    await talk.ask("GET", `${of}/changes?limit=1&${query}`);
  }
  await talk.ask("GET", `${of}/diff?path=/a`);

  await cli("changes");
  await cli("changes", talk.session, "--json");
  await cli("changes", run, "--since", "viewed");
  await cli("changes", "--base", "never");
  await cli("diff");
  await cli("diff", run, "made.txt", "other.txt", "--json");
  await cli("blame", "./made.txt");
  await cli("blame", run, "made.txt", "--json");
  await cli("blame");
  await cli("diff", "nobody");

  await talk.ask("GET", `${of}/blame?path=edited.txt`);
  await talk.ask("GET", `runs/${run}/blame?path=edited.txt`);
  const [{ id: to }] = (await daemon.request("GET", `/api/v1/${of}/messages?order=oldest`)).json
    .items;
  await talk.ask("POST", `${of}/rewind`, { to, files: true, preview: true });
  await talk.ask("POST", `${of}/rewind`, { to, files: true });
  await cli("session", "rewind", talk.session, "--to", to);
  await cli("session", "rewind", talk.session, "--conversation", "--preview");

  await daemon.request("POST", "/api/v1/projects", { body: { name: "shop" } });
  await daemon.request("POST", "/api/v1/projects/shop/tasks", { body: { title: "Wait" } });
  await talk.ask("GET", "projects/shop/tasks/T-1/changes");
  await talk.ask("GET", "projects/shop/tasks/T-1/diff");
});
