export const meta = { name: "schemas", description: "Objects within lists within objects." };

const ISSUE = {
  type: "object",
  required: ["file", "severity"],
  properties: {
    file: { type: "string" },
    line: { type: "integer", minimum: 1 },
    severity: { enum: ["low", "high"] },
    tags: { type: "array", items: { type: "string" } },
  },
};
const found = await agent("List the issues.", {
  label: "list",
  schema: { type: "object", required: ["issues"],
    properties: { issues: { type: "array", minItems: 1, items: ISSUE } } },
});
const fixed = await pipeline(found.issues, (issue) =>
  agent(`Fix ${issue.file} (${issue.severity})`, { label: "fix", schema: {
    type: "object", required: ["ok"], properties: { ok: { type: "boolean" } } } }));
return {
  issues: found.issues.length > 0, kinds: fixed.every((one) => typeof one.ok === "boolean"),
};
