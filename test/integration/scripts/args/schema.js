export const meta = {
  name: "schema",
  description: "Says which args it needs.",
  args: {
    type: "object",
    required: ["repo"],
    properties: {
      repo: { type: "string" }, branches: { type: "array", items: { type: "string" } },
    },
  },
};
const { repo, branches = ["main"] } = args;
const states = await parallel(branches.map((b) => () => agent(`${repo}@${b}`, { label: b })));
return states.length;
