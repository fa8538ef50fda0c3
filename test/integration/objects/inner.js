export const meta = { name: "inner", description: "Is run by another one." };

export default async function main({ word, how }) {
  if (how === "bad") throw new Error("the inner one gives up");
  if (how === "deep") return (await workflow("inner", { word, how: "good" })).error;
  return (await agent(`${word} inner`)).output;
}
