// resources.test.mjs: the routes that are made from descriptors (base/resource/resource.h), by what
// openapi.json says of each: rows are made, once under a key, found, listed, changed and removed;
// bounds are kept; another owner has none of them; each change is an event.
//
// runs-with: release, san, postgres
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Daemon, scratch } from "./lib.mjs";

const scratches = [];
const daemon = new Daemon({ data: scratch({ after: (end) => scratches.push(end) }) });
let paths, ann, bob;

async function tokenOf(owner) {
  const body = { owner, scopes: ["read", "run"] };
  const made = await daemon.request("POST", "/api/v1/tokens", { body, local: true });
  return { authorization: `Bearer ${made.json.token}` };
}

before(async () => {
  await daemon.start();
  paths = (await daemon.request("GET", "/api/v1/openapi.json", { local: true })).json.paths;
  [ann, bob] = [await tokenOf("ann"), await tokenOf("bob")];
});
after(async () => {
  await daemon.kill();
  for (const end of scratches) end();
});

const schemaOf = (operation) => operation.requestBody.content["application/json"].schema;

/** A body with every member: texts as long as they must be, and what sentences ask for besides. */
function bodyOf(schema) {
  const special = { root: "/", model: "a/b", settings: { edits: ["a"] },
    board: { hold: true } };
  const value = (name, { type }) => special[name] ?? { string: `a${name}`, array: ["x"] }[type];
  return Object.fromEntries(Object.entries(schema.properties)
    .map(([name, of]) => [name, value(name, of)]));
}

const resources = { memory: "/api/v1/memory", project: "/api/v1/projects" };

for (const [name, path] of Object.entries(resources)) {
  test(`${name}: made once under a key, shown, listed, changed, removed`, async () => {
    const one = Object.keys(paths).find((target) =>
      target.startsWith(`${path}/{`) && target.endsWith("}"));
    const key = one.slice(path.length + 2, -1);
    const body = bodyOf(schemaOf(paths[path].post));
    const headers = { ...ann, "idempotency-key": "first" };
    const made = await daemon.request("POST", path, { body, headers });
    assert.equal(made.status, 201, made.text);
    for (const [member, value] of Object.entries(body)) {
      assert.deepEqual(made.json[member], value, member);
    }
    const again = await daemon.request("POST", path, { body, headers });
    assert.deepEqual([again.status, again.text], [201, made.text]);
    assert.equal(again.headers["idempotent-replay"], "true");

    const target = `${path}/${made.json[key]}`;
    const get = (at, as) => daemon.request("GET", at, { headers: as });
    assert.equal((await get(target, ann)).text, made.text);
    assert.deepEqual((await get(path, ann)).json.items, [made.json]);
    assert.deepEqual((await get(path, bob)).json.items, []);
    assert.equal((await get(target, bob)).status, 404);
    assert.equal((await get(`${path}?owner=ann`, bob)).status, 403);
    assert.equal((await daemon.request("DELETE", target, { headers: bob })).status, 404);
    const events = [["changed", made.json]];

    if (paths[one].patch !== undefined) {
      for (const member of Object.keys(schemaOf(paths[one].patch).properties)) {
        const objects = { settings: { edits: "ask" }, board: { hold: false } };
        const change = { [member]: objects[member] ?? body[member] + "2" };
        const changed = await daemon.request("PATCH", target, { body: change, headers: ann });
        assert.equal(changed.status, 200, changed.text);
        const wanted = { ...events.at(-1)[1], ...change, changed_ms: changed.json.changed_ms };
        assert.deepEqual(changed.json, wanted);
        events.push(["changed", changed.json]);
        assert.equal((await daemon.request("PATCH", target, { body: change, headers: bob })).status,
          404);
      }
    }
    const told = async () =>
      (await get("/api/v1/streams/owner:ann/events?limit=1000", ann)).json.events
        .filter((event) => event.type === `${name}_changed`).map(({ data }) => data);
    const ours = await told();
    assert.equal(ours.length, events.length);
    for (const [at, data] of ours.entries()) { // Without the words of a memory.
      const row = events[at][1];
      assert.ok(key in data);
      assert.deepEqual({ ...row, ...data }, row);
    }
    const removed = await daemon.request("DELETE", target, { headers: ann });
    assert.equal(removed.status, 200, removed.text);
    assert.equal(removed.json[key], made.json[key]);
    assert.equal((await get(target, ann)).status, 404);
    assert.equal((await daemon.request("DELETE", target, { headers: ann })).status, 404);
    assert.deepEqual(await told(), Array(ours.length + 1)
      .fill({ [key]: made.json[key], removed: true })); // What they said of it is gone, too.
  });

  test(`${name}: what passes a bound is refused by name, and nothing is made`, async () => {
    const schema = schemaOf(paths[path].post);
    const whole = bodyOf(schema);
    const refused = async (body, member) => {
      const answer = await daemon.request("POST", path, { body, headers: bob });
      assert.equal(answer.status, 400, `${member}: ${answer.text}`);
      assert.match(answer.json.detail, new RegExp(member));
    };
    for (const [member, of] of Object.entries(schema.properties)) {
      if (of.maxLength) await refused({ ...whole, [member]: "a".repeat(of.maxLength + 1) }, member);
      if (of.minLength) await refused({ ...whole, [member]: "" }, member);
      const many = Array((of.maxItems ?? 0) + 1).fill("x");
      if (of.maxItems) await refused({ ...whole, [member]: many }, member);
      await refused({ ...whole, [member]: 1.5 }, member);
    }
    for (const member of schema.required) {
      await refused(Object.fromEntries(Object.entries(whole).filter(([name]) => name !== member)),
        member);
    }
    await refused({ ...whole, nonsense: 1 }, "nonsense");
    assert.deepEqual((await daemon.request("GET", path, { headers: bob })).json.items, []);
  });
}

const lists = { memory: "/api/v1/memory", task: "/api/v1/projects/{project}/tasks" };

for (const [name, path] of Object.entries(lists)) {
  test(`${name}: a parameter of the list that names a member chooses by it`, async () => {
    const headers = await tokenOf(`chooser-${name}`), target = path.replace("{project}", "p");
    await daemon.request("POST", "/api/v1/projects", { body: { name: "p", root: "/" }, headers });
    const { properties, required } = schemaOf(paths[path].post);
    const members = paths[path].get.parameters.map((one) => one.name)
      .filter((one) => one in properties);
    assert.ok(members.length >= 3, members.join());
    const word = (of, one) => (properties[one].type === "array" ? [`${of}${one}`] : `${of}${one}`);
    for (const of of ["a", "b"]) {
      const body = Object.fromEntries([...required, ...members]
        .map((one) => [one, word(of, one)]));
      const made = await daemon.request("POST", target, { body, headers });
      assert.equal(made.status, 201, made.text);
    }
    for (const member of members) {
      const { json } = await daemon.request("GET", `${target}?${member}=a${member}`, { headers });
      assert.deepEqual(json.items.map((row) => required.map((one) => row[one])),
        [required.map((one) => word("a", one))], member);
    }
  });
}
