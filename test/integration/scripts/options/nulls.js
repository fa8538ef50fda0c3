export const meta = { name: "nulls", description: "Options that may be missing." };

const model = args?.model ?? null;
const schema = args?.strict ? { type: "object" } : null;
const text = await agent("Write it.", { label: "write", model, schema, effort: null, phase: null });
return typeof text;
