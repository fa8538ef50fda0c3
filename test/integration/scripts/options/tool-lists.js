export const meta = { name: "tool-lists", description: "Readers read, and one writes." };

const read = { tools: ["Read", "Grep", "Glob"], max_tool_calls: 5 };
const notes = await parallel(["src", "test"].map((dir) => () =>
  agent(`What is in ${dir}?`, { label: dir, phase: "Read", ...read })));
await agent(`Write NOTES.md: ${notes.length}`,
  { label: "write", phase: "Write", tools: ["Write"] });
return notes.length;
