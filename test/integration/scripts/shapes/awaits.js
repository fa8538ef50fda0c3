export const meta = { name: "awaits", description: "Awaits wherever an expression may." };

const [first = "none", ...others] = (await agent("List two names.", { label: "list" }))
  .split(/\r?\n/u).map((line) => line.trim()).filter(Boolean);
const about = { [await agent(`A key for ${first}.`, { label: "key" })]: others.length };
const best = (await parallel([() => agent("Left?", { label: "left" }), () => null]))?.at(0)
  ?? await agent("Right?", { label: "right" });
for await (const note of [agent("One more.", { label: "more" }), Promise.resolve("fixed")]) {
  log(note.length > 0 ? await "said" : "silent");
}
const tell = async (what = agent("A title.", { label: "title" })) => `# ${await what}`;
const head = await tell();
return await (async () => ({
  first: typeof first, keys: Object.keys(about).length, best: typeof best, head: head.slice(0, 2),
}))();
