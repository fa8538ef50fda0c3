export const meta = { name: "checkpoints", description: "Builds, checks, and mends what failed." };

const CHECK = { type: "object", required: ["passed"], properties: { passed: { type: "boolean" } } };
const attempts = [];
for await (const step of ["build", "test"]) {
  let passed = false;
  for (let tries = 0; !passed && tries < 2; tries++) {
    await agent(`${step}, try ${tries}`, { label: `${step} ${tries}`, phase: step });
    const check = await agent(`Did ${step} work? Try ${tries}.`, { label: "check", schema: CHECK });
    passed = check?.passed ?? false;
    attempts.push(step);
  }
}
return attempts.length >= 2;
