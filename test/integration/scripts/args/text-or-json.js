export const meta = { name: "text-or-json", description: "A question as text, or with options." };

let options = { question: "", sides: 2 };
if (typeof args === "string") {
  try {
    options = { ...options, ...JSON.parse(args) };
  } catch {
    options.question = args;
  }
} else if (args && typeof args === "object") {
  options = { ...options, ...args };
}
if (!options.question) return { error: "Ask something." };
const sides = await parallel(
  Array.from({ length: options.sides }, (_, i) => () =>
    agent(`Side ${i + 1} of: ${options.question}`, { label: `side ${i + 1}` })),
);
return { question: options.question, sides: sides.length };
