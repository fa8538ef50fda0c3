// memory.test.mjs: what agents remember, seen by people: API and commands.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { test } from "node:test";

import { Daemon, plainEnv, run, scratch } from "./lib.mjs";

async function start(t) {
  const daemon = await new Daemon({ data: scratch(t) }).start();
  t.after(() => daemon.kill());
  return daemon;
}

const api = "/api/v1/memory";

async function keep(daemon, body) {
  const answer = await daemon.request("POST", api, { body, local: true });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

const get = (daemon, target) => daemon.request("GET", target, { local: true });
const titles = (answer) => answer.json.items.map((item) => item.title);

test("memories are kept, listed, found, counted by day and forgotten", async (t) => {
  const daemon = await start(t);
  const build = await keep(daemon, {
    project: "drover",
    topic: "build",
    title: "How to build",
    content: "Run ninja in build/san.",
    tags: ["ninja", "meson"],
  });
  assert.match(build.id, /^mem_[0-9a-z]{26}$/);
  assert.equal(build.scope, "project");
  assert.deepEqual(build.tags, ["ninja", "meson"]);
  await keep(daemon, { topic: "taste", title: "Tabs", content: "Never tabs." });
  await keep(daemon, { project: "other", topic: "build", title: "Other", content: "Run make." });

  assert.deepEqual(titles(await get(daemon, api)), ["Other", "Tabs", "How to build"]);
  assert.deepEqual(titles(await get(daemon, `${api}?project=drover`)), ["Tabs", "How to build"]);
  assert.deepEqual(titles(await get(daemon, `${api}?project=`)), ["Tabs"]);
  assert.deepEqual(titles(await get(daemon, `${api}?topic=build`)), ["Other", "How to build"]);
  assert.deepEqual(titles(await get(daemon, `${api}?tags=meson`)), ["How to build"]);
  assert.deepEqual(titles(await get(daemon, `${api}?tags=mes`)), []);
  assert.deepEqual(titles(await get(daemon, `${api}?q=NINJA`)), ["How to build"]);
  assert.deepEqual(titles(await get(daemon, `${api}?q=run%20build`)), ["How to build", "Other"]);
  const first = await get(daemon, `${api}?limit=2`);
  assert.deepEqual(titles(first), ["Other", "Tabs"]);
  const rest = await get(daemon, `${api}?limit=2&after=${first.json.next}`);
  assert.deepEqual(titles(rest), ["How to build"]);
  assert.equal(rest.json.next, null);

  const days = (await get(daemon, `${api}/daily?project=drover`)).json.items;
  assert.equal(days.reduce((sum, day) => sum + day.count, 0), 2);
  assert.match(days[0].day, /^\d{4}-\d\d-\d\d$/);

  assert.equal((await get(daemon, `${api}/${build.id}`)).json.content, "Run ninja in build/san.");
  const gone = await daemon.request("DELETE", `${api}/${build.id}`, { local: true });
  assert.equal(gone.status, 200);
  assert.equal((await get(daemon, `${api}/${build.id}`)).status, 404);
  assert.equal((await daemon.request("DELETE", `${api}/${build.id}`, { local: true })).status, 404);
});

test("what does not fit is refused, and changes nothing", async (t) => {
  const daemon = await start(t);
  for (const [body, code] of [
    [{ title: "a", content: "b" }, "missing_field"],
    [{ topic: "t", title: "a", content: "" }, "bad_field"],
    [{ topic: "t", title: "a", content: "x".repeat(8193) }, "bad_field"],
    [{ topic: "t", title: "a", content: "b", tags: [""] }, "bad_field"],
    [{ topic: "t", title: "a", content: "a\u0000b" }, "bad_field"],
    [{ topic: "t", title: "a", content: "b", scope: "global" }, "unknown_field"],
  ]) {
    const answer = await daemon.request("POST", api, { body, local: true });
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(answer.json.code, code, JSON.stringify(body));
  }
  assert.deepEqual((await get(daemon, api)).json.items, []);
});

test("memories of another owner do not exist", async (t) => {
  const daemon = await start(t);
  const mine = await keep(daemon, { topic: "t", title: "mine", content: "c" });
  const token = (
    await daemon.request("POST", "/api/v1/tokens", {
      body: { owner: "ann", scopes: ["read", "run"] },
      local: true,
    })
  ).json.token;
  const headers = { authorization: `Bearer ${token}` };
  assert.deepEqual((await daemon.request("GET", api, { headers })).json.items, []);
  assert.deepEqual((await daemon.request("GET", `${api}?q=mine`, { headers })).json.items, []);
  for (const method of ["GET", "DELETE"]) {
    assert.equal((await daemon.request(method, `${api}/${mine.id}`, { headers })).status, 404);
  }
  assert.equal((await daemon.request("GET", `${api}?owner=local`, { headers })).status, 403);
});

test("the commands show and forget them", async (t) => {
  const daemon = await start(t);
  const { id } = await keep(daemon, {
    project: "p",
    topic: "build",
    title: "How to build",
    content: "Run ninja.",
  });
  const env = { ...plainEnv, DROVER_DATA: daemon.data };
  const listed = await run(["memory", "ls", "ninja", "--project", "p"], { env });
  assert.equal(listed.code, 0, listed.stderr);
  assert.match(listed.stdout, new RegExp(`${id}.*build.*How to build`));
  const shown = await run(["memory", "show", id], { env });
  assert.match(shown.stdout, /\ntitle +How to build\n[^]*\nchanged .*\n\nRun ninja\.\n$/);
  const removed = await run(["memory", "rm", id], { env });
  assert.equal(removed.stdout, `${id} is forgotten\n`);
  assert.equal((await run(["memory", "show", id], { env })).code, 3);
  assert.equal((await run(["memory", "ls", "--json"], { env })).stdout, "");
});

test("memories are counted by topic, page by page, of a project and general ones", async (t) => {
  const daemon = await start(t);
  await keep(daemon, { project: "web", topic: "build", title: "a", content: "c" });
  await keep(daemon, { project: "other", topic: "build", title: "b", content: "c" });
  await keep(daemon, { topic: "taste", title: "c", content: "c" });
  const topics = async (query) => (await get(daemon, `${api}/topics${query}`)).json;
  const both = [{ topic: "build", count: 2 }, { topic: "taste", count: 1 }];
  assert.deepEqual(await topics(""), { items: both, next: null });
  assert.deepEqual((await topics("?project=web")).items, [{ ...both[0], count: 1 }, both[1]]);
  assert.deepEqual((await topics("?project=")).items, [both[1]]);
  const first = await topics("?limit=1");
  assert.deepEqual([first.items, first.next], [[both[0]], "build"]);
  assert.deepEqual(await topics(`?limit=1&after=${first.next}`), { items: [both[1]], next: null });
});
