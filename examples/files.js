// files: a pipeline over files.
//
// Shows     two stages for each file, without a wait between files: while one file is being
//           checked, another one is still being summarised.
// Run       drover run examples/files.js --arg 'files=["README.md","LICENSE"]'
// Expect    one line for each file: its name, and the second agent's opinion of the summary. The
//           agents read the files themselves, beneath the folder of the project.
export const meta = {
  name: "files",
  description: "Summarises each file, and has another agent check the summary.",
  phases: [{ title: "Summarise" }, { title: "Check" }],
  args: {
    type: "object",
    required: ["files"],
    additionalProperties: false,
    properties: { files: { type: "array", items: { type: "string" }, minItems: 1, maxItems: 50 } },
  },
};

const checked = await pipeline(
  args.files,
  (file) =>
    agent(`Summarise the file ${file} in one sentence.`, { label: file, phase: "Summarise" }),
  (summary, file) =>
    agent(`Read ${file}. Is this summary right? Answer in one sentence.\n${summary}`, {
      label: file,
      phase: "Check",
    }),
);
return args.files.map((file, at) => `${file}: ${checked[at] ?? "no answer"}`).join("\n");
