// openapi.test.mjs: the description that is served: a line for each route, with a digest of all
// that is said of it, and one for each of its components. That it is well made, and true:
// integration/openapi.test.mjs.
//
// runs-with: release
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import { golden } from "./golden.mjs";

const digest = (value) =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 12);

golden("openapi", async (record) => {
  const daemon = await record.daemon();
  const answer = await daemon.request("GET", "/api/v1/openapi.json");
  assert.equal(answer.status, 200, answer.text);
  const { paths, components, ...head } = answer.json;
  head.info.version = "<version>";
  record.add("### GET /api/v1/openapi.json", `< ${answer.status} application/json`,
    `${digest(head)} ${Object.keys(head).join(", ")}`);
  record.add(...Object.entries(paths).flatMap(([target, item]) =>
    Object.entries(item).map(([method, operation]) =>
      `${digest(operation)} ${method.toUpperCase()} ${target}: ${operation.summary}`)));
  record.add(...Object.entries(components).flatMap(([kind, all]) =>
    Object.entries(all).map(([name, one]) => `${digest(one)} ${kind}/${name}`)));
});
