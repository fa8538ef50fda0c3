export const meta = {
  name: "json-text",
  description: "Takes its args as an object or as its JSON.",
};

const input = typeof args === "string" ? JSON.parse(args) : (args ?? {});
const { target = "src", depth = 1 } = input;
const notes = await parallel(
  Array.from({ length: depth }, (_, i) => () =>
    agent(`Level ${i} of ${target}`, { label: target })),
);
return { target, levels: notes.length };
