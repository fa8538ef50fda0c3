export const meta = { name: "debate", description: "Two sides answer each other, one decides." };

const transcript = [];
for (let turn = 0; turn < 3; turn++) {
  for (const side of ["pro", "contra"]) {
    const said = await agent(`You are ${side}. So far:\n${transcript.join("\n")}`, {
      label: `${side} ${turn + 1}`, phase: `Turn ${turn + 1}`,
    });
    transcript.push(`${side}: ${said?.slice(0, 20)}`);
  }
}
phase("Verdict");
await agent(transcript.join("\n"), { label: "judge" });
return transcript.length;
