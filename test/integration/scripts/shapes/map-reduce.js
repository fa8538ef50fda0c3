export const meta = { name: "map-reduce", description: "Summaries of summaries." };

async function reduce(texts, level = 0) {
  if (texts.length <= 1) return texts[0];
  const groups = [];
  for (let i = 0; i < texts.length; i += 3) groups.push(texts.slice(i, i + 3));
  const merged = await parallel(groups.map((group, i) => () =>
    agent(`Merge ${level}.${i}: ${group.length} texts`,
      { label: "merge", phase: `Level ${level}` })));
  return reduce(merged, level + 1);
}
const pages = await parallel(Array.from({ length: 9 }, (_, i) => () =>
  agent(`Summarise page ${i}`, { label: "page", phase: "Pages" })));
return typeof (await reduce(pages));
