export const meta = { name: "prompt-tags", description: "Prompts are made by tags." };

const seen = new WeakMap();
const ask = (options = {}) => async (strings, ...values) => {
  seen.set(strings, (seen.get(strings) ?? 0) + 1);
  const inner = await Promise.all(values.map((v) => (typeof v === "function" ? v() : v)));
  const text = String.raw({ raw: strings.raw.map((s) => s.replace(/\n\s+/g, "\n")) }, ...inner);
  return agent(text.trim(), { label: text.trim().split(" ", 1)[0], ...options });
};
const fast = ask({ effort: "low" });
const one = await fast`
  Summarise ${() => agent("What is new?", { label: "news" })}
  for ${["Ann", "Bob"].map((name) => `<b>${name}</b>`)}, in C:\new\u{1F600}.
`;
const twice = [];
for (const n of [1, 2]) twice.push(await ask()`Again ${n}: \unicode and \x are no escapes`);
return { one: typeof one, twice: twice.length, wild: (([s]) => s)`\unicode` === undefined };
