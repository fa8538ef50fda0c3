export const meta = {
  name: "meta-driven",
  description: "Its phases are its plan.",
  phases: [{ title: "Read", detail: "the code" }, { title: "Write", detail: "the text" }],
};
const done = [];
for (const { title, detail } of meta.phases) {
  phase(title);
  await agent(`${title} ${detail}.`, { label: `${meta.name}: ${detail}` });
  done.push(title);
}
let frozen = false;
try { meta.name = "other"; } catch { frozen = Object.isFrozen(meta.phases[0]); }
return { done, frozen };
