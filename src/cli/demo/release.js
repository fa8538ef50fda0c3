// release: the workflow of `drover demo`. Five agents plan a small release: four look at it side by
// side, and the fifth decides. Ada and Eve are a model, and say what stands in answers.json; Ben,
// Cleo and Dan are programs (stand-in.sh).
export const meta = {
  name: "release",
  description: "Five agents plan a small release.",
  phases: [{ title: "Look" }, { title: "Decide" }],
};

async function ask(name, task, agentType) {
  const answer = await agent(`You are ${name}. ${task}`, { label: name, agentType });
  log(`${name}: ${answer}`);
  return `${name}: ${answer}`;
}

phase("Look");
const reports = await parallel([
  () => ask("Ada", "What has changed since version 1.3?"),
  () => ask("Ben", "Do all tests pass?", "stand-in-ben"),
  () => ask("Cleo", "What must the release notes say?", "stand-in-cleo"),
  () => ask("Dan", "What could go wrong, and how do we go back?", "stand-in-dan"),
]);

phase("Decide");
return await ask("Eve", `Decide when we release. Your colleagues say:\n${reports.join("\n")}`);
