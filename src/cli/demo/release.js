// release: the workflow of `drover demo`. Five agents plan a small release: four look at it side by
// side, and the fifth decides. What they say stands in answers.json.
export const meta = {
  name: "release",
  description: "Five agents plan a small release.",
  phases: [{ title: "Look" }, { title: "Decide" }],
};

async function ask(name, task) {
  const answer = await agent(`You are ${name}. ${task}`, { label: name });
  log(`${name}: ${answer}`);
  return `${name}: ${answer}`;
}

phase("Look");
const reports = await parallel([
  () => ask("Ada", "What has changed since version 1.3?"),
  () => ask("Ben", "Do all tests pass?"),
  () => ask("Cleo", "What must the release notes say?"),
  () => ask("Dan", "What could go wrong, and how do we go back?"),
]);

phase("Decide");
return await ask("Eve", `Decide when we release. Your colleagues say:\n${reports.join("\n")}`);
