export const meta = { name: "parsing", description: "Reads lists and JSON out of prose." };

const asList = (text) => text.split("\n").map((l) => l.match(/^\s*(?:[-*]|\d+\.)\s+(.+)$/)?.[1]);
const asJson = (text) => {
  const fenced = /```(?:json)?\s*([\s\S]*?)```/.exec(text)?.[1] ?? text;
  try { return JSON.parse(fenced); } catch { return null; }
};
const listed = await agent("List three things, as bullets.", { label: "list" });
const items = asList(`${listed}\n- one\n2. two\nno item`).filter(Boolean);
const answer = await agent("Answer as JSON.", { label: "json" });
const value = asJson(answer) ?? asJson("```json\n[1]\n```");
return { items, value };
