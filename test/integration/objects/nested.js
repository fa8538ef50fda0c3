// Other workflows are calls like any other.
export const meta = { name: "nested", description: "Runs others." };

export default async function main({ word }) {
  const good = await workflow("inner", { word, how: "good" });
  const bad = await workflow("inner", { word, how: "bad" });
  const deep = await workflow("inner", { word, how: "deep" });
  const missing = await workflow("no-such-workflow");
  const value = await workflow("plain", { word });
  return { good, bad, deep, missing, value };
}
