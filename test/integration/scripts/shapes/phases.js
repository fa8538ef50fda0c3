export const meta = {
  name: "phases",
  description: "Phases by call and by option.",
  phases: [{ title: "Find", detail: "side by side" }, { title: "Fix" }, { title: "Tell" }],
};
phase("Find");
const finds = await parallel(["leaks", "races"].map((what) => () => agent(what, { label: what })));
await pipeline(finds,
  (found, item, i) => agent(`Fix ${i}: ${found}`, { label: `fix ${i}`, phase: "Fix" }),
  (fix, item, i) => agent(`Check ${i}: ${fix}`, { label: `check ${i}`, phase: "Check" }));
phase("Tell");
return typeof (await agent("Tell all of it.", { label: "tell" }));
