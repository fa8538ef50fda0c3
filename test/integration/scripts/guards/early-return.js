export const meta = {
  name: "early-return",
  description: "Paces its calls, without timers at once.",
};

async function pace(ms) {
  if (typeof setTimeout === "undefined") return "at once";
  await new Promise((resolve) => setTimeout(resolve, ms));
  return "paced";
}

const how = [];
for (const step of ["draft", "edit", "polish"]) {
  how.push(await pace(250));
  await agent(`Next step: ${step}`, { label: step, phase: "Write" });
}
return how.join(", ");
