// analyse-repository: what a repository is made of. A first look chooses the parts; an agent reads
// each, until the summary says that nothing important is missing.
const parts = (ctx) => ctx.results.parts.split("\n").filter((part) => part !== "").slice(0, 8);

export default {
  name: "analyse-repository",
  description: "Describes a repository: its parts, how they fit, where to begin to read.",
  fail_fast: false,
  steps: [
    {
      id: "files",
      kind: "command",
      command: "{ git ls-files 2>/dev/null || " +
        "find . -type f -not -path './.*' | cut -c 3-; } | head -n 2000",
    },
    {
      id: "parts",
      kind: "code",
      deps: ["files"],
      run: (ctx) => {
        const count = {};
        for (const file of ctx.results.files.split("\n")) {
          const at = file.indexOf("/");
          const part = at < 0 ? "." : file.slice(0, at);
          if (file !== "") count[part] = (count[part] ?? 0) + 1;
        }
        return Object.entries(count).sort((a, b) => b[1] - a[1]).slice(0, 8)
          .map(([part]) => part).join("\n");
      },
    },
    {
      id: "read",
      kind: "code",
      deps: ["parts"],
      run: async (ctx) => {
        const said = await Promise.all(parts(ctx).map(async (part) => {
          const text = await ctx.dispatch("Explore",
            `Read the folder ${JSON.stringify(part)} of this repository. In at most 15 lines: ` +
            "what it is for, its three most important files, what it needs of other folders.");
          return `## ${part}\n\n${text}`;
        }));
        return said.join("\n\n");
      },
    },
    {
      id: "build",
      kind: "agent",
      deps: ["files"],
      run: () =>
        "How is this repository built and tested? Read its README and build files, and answer " +
        "with the commands, one a line, and what they need to be installed.",
    },
    {
      id: "issues",
      kind: "workflow",
      workflow: "find-issues",
      deps: ["parts"],
      when: (ctx) => ctx.input.issues === true,
      run: () => ({ target: "." }),
    },
    {
      id: "summary",
      kind: "agent",
      deps: ["read", "build", "issues"],
      trigger_rule: "all_done",
      loop: { max: 2, until: (ctx) => ctx.results.summary.includes("Where to begin") },
      run: (ctx) =>
        "Describe this repository for somebody who joins today, in at most 60 lines of Markdown, " +
        'with the headings "What it is", "Parts", "How they fit" and "Where to begin".\n\n' +
        `What was found:\n\n${ctx.results.read ?? ""}\n\n# Build\n\n${ctx.results.build ?? ""}` +
        (ctx.results.issues === undefined ? "" : `\n\n# Issues\n\n${ctx.results.issues}`),
    },
  ],
  render: (ctx) =>
    `# Repository\n\n${ctx.results.summary ?? ctx.results.read ?? "Nothing was found out."}\n`,
};
