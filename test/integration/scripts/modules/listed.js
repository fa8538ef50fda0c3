const meta = { name: "listed", description: "Lists its exports at the end." };
const STEPS = ["read", "weigh", "write"];
async function run() {
  let last = "";
  for (const step of STEPS) last = await agent(`${step}: ${last}`, { label: step, phase: "Steps" });
  return STEPS.length;
}
export { run as default, meta };
