// openapi.test.mjs: the description that is served, whole.
import { golden } from "./golden.mjs";

golden("openapi", async (record) => {
  const daemon = await record.daemon();
  const { text } = await daemon.request("GET", "/api/v1/version");
  record.names.add(JSON.stringify(JSON.parse(text).version), '"<version>"');
  await record.ok(daemon, "GET", "openapi.json");
});
