export const meta = { name: "recursion", description: "Splits a question until it is small." };

const split = async (question, depth) => {
  if (depth === 0) return [await agent(`Answer ${question}`, { label: "leaf" })];
  await agent(`Split ${question}`, { label: `split ${depth}` });
  const halves = await parallel(["a", "b"].map((half) => () => split(question + half, depth - 1)));
  return halves.flat();
};
return (await split("q", 3)).length;
