// The real daemon is killed while it brings a database to its schema: at every write, sync, rename
// and removal in turn, of a new database, and of each that test/upgrade/ stores. The next start
// goes on from the version that it finds, and everything is there.
//
// runs-with: release
//
// DROVER_FAULTY, DROVER_FAULT_SECONDS, DROVER_FAULT_OFFSET, DROVER_TEST_ALL: as in sweep.test.mjs.
// DROVER_FAULT_ONLY     any-kill:N@SCENE, as a failure tells it
import assert from "node:assert/strict";
import { cpSync, existsSync, mkdirSync, realpathSync, rmSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Daemon, root, run, scratch } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { unpack, value, version, versions } from "../upgrade/world.mjs";
import { points } from "./points.mjs";

const faulty = path.resolve(
  root,
  process.env.DROVER_FAULTY ?? "build/release/test/fault/drover-faulty",
);
const seconds = Number(process.env.DROVER_FAULT_SECONDS ?? 20);
const offset = Number(process.env.DROVER_FAULT_OFFSET ?? Math.random());
const KILLS = ["any-kill", "any-done", "write-torn"];

const daemonOf = (data, more) => new Daemon({ data, args: ["--insecure-loopback"], ...more });

/** An empty folder, or one with a stored database: {name, data}. */
function sceneOf(folder, number) {
  const data = path.join(folder, `v${number}`);
  mkdirSync(data, { recursive: true });
  if (number > 0) unpack(daemonOf(data), number);
  return { name: `v${number}`, number, data };
}

async function countPoints(scene, folder) {
  const data = path.join(folder, `count-${scene.name}`);
  cpSync(scene.data, data, { recursive: true });
  const env = { DROVER_FAULT: "count", DROVER_FAULT_UNDER: folder };
  const daemon = daemonOf(data, { program: faulty, env });
  await daemon.start();
  await daemon.stop();
  const found = [...daemon.log.matchAll(/^fault: (\S+) has (\d+) points$/gm)];
  return { counts: new Map(found.map(([, call, count]) => [call, Number(count)])),
    newest: version(daemon) };
}

async function tryPoint(t, folder, scene, fault, newest) {
  const data = path.join(folder, "point");
  cpSync(scene.data, data, { recursive: true });
  const env = { DROVER_FAULT: fault, DROVER_FAULT_UNDER: folder };
  const daemon = daemonOf(data, { program: faulty, env });
  t.after(() => daemon.kill());
  const served = await daemon.start().then(() => true, () => false);
  await daemon.kill();
  const left = scene.number > 0 ? version(daemon) : undefined;
  assert.ok(left === undefined || (left >= scene.number && left <= newest), `version ${left}`);
  const next = daemonOf(data);
  try {
    await next.start();
    if (scene.number > 0) {
      const { json } = await next.request("GET", "/api/v1/sessions");
      assert.ok(json.items.some(({ title }) => title === "A finished talk"));
    }
  } finally {
    await next.kill();
  }
  assert.equal(version(next), newest);
  assert.equal(value(next, "SELECT count(*) FROM nodes"), "1");
  const { code, stdout } = await run(["doctor", "--data", data]);
  assert.equal(code, 0, stdout);
  if (scene.number > 0 && scene.number < newest) {
    const copies = path.join(data, "backups");
    assert.ok(existsSync(copies), "the database of the older schema is kept");
  }
  rmSync(data, { recursive: true });
  return served ? "served" : `at ${left ?? "its making"}`;
}

test("a kill at any point of an upgrade leaves a database that the next start goes on with",
  { timeout: scaled(3_600_000) }, async (t) => {
    const folder = realpathSync(scratch(t));
    const list = [];
    let newest;
    for (const number of [0, ...versions()]) {
      const scene = sceneOf(folder, number);
      const counted = await countPoints(scene, folder);
      newest = counted.newest;
      const total = (call) => counted.counts.get(call) ??
        [...counted.counts.values()].reduce((sum, one) => sum + one, 0);
      for (const name of KILLS) {
        list.push({ kind: { name, times: 1 }, scene: scene.name, data: scene,
          total: total(name.split("-")[0]) });
      }
    }
    const tally = {};
    const next = points(list, offset, seconds);
    for (let point = next(); point; point = next()) {
      const came = await tryPoint(t, folder, point.data, point.fault, newest).catch((error) => {
        throw new Error(`DROVER_FAULT_ONLY=${point.fault}@${point.scene}`, { cause: error });
      });
      tally[`${point.scene} ${came}`] = (tally[`${point.scene} ${came}`] ?? 0) + 1;
    }
    t.diagnostic(JSON.stringify(tally));
  });
