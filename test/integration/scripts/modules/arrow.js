export const meta = { name: "arrow", description: "An arrow function as the default export." };
const ask = (what) => agent(what, { label: "ask" });
export default async (args) => [await ask("one"), await ask("two")].length + (args?.more ?? 0);
