// openapi.test.mjs: the description that is served, whole.
//
// runs-with: release
import { golden } from "./golden.mjs";

golden("openapi", async (record) => {
  const daemon = await record.daemon();
  await record.ok(daemon, "GET", "openapi.json");
});
