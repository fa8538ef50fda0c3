export const meta = { name: "nested-child", description: "What nested.js runs." };

phase(`Part ${args.part}`);
const seen = await parallel([1, 2].map((n) => () =>
  agent(`${args.part} ${n}`, { label: `look ${n}` })));
try {
  await workflow("nested");
} catch (error) {
  const deep = /one level/.test(error.message);
  return { part: args.part, seen: seen.length, deep, me: meta.name };
}
