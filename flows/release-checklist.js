// release-checklist: the steps before a release, in their order. Commands are run, notes are
// written by an agent, and a person says yes twice: a no to the notes has them written again.
const line = (ctx, name, otherwise) =>
  typeof ctx.input[name] === "string" ? ctx.input[name] : otherwise;

export default {
  name: "release-checklist",
  description: "Tests, notes, a tag, and two approvals. Input: version, test, since, review.",
  steps: [
    {
      id: "version",
      kind: "code",
      run: (ctx) => {
        const version = line(ctx, "version", "");
        if (!/^[0-9]+\.[0-9]+\.[0-9]+$/.test(version)) {
          throw new Error("input.version must be a version, such as 1.2.3");
        }
        return version;
      },
    },
    { id: "clean", kind: "command", deps: ["version"], command: "git status --porcelain" },
    {
      id: "tree",
      kind: "switch",
      deps: ["clean"],
      cases: [{
        label: "changes",
        condition: (ctx) => ctx.results.clean.trim() !== "",
        stepIds: ["anyway"],
      }],
    },
    {
      id: "anyway",
      kind: "approval",
      run: (ctx) => `These files are not committed. Go on without them?\n\n${ctx.results.clean}`,
    },
    {
      id: "test",
      kind: "command",
      deps: ["clean", "anyway"],
      when: (ctx) => line(ctx, "test", "") !== "",
      run: (ctx) => line(ctx, "test", ""),
    },
    {
      id: "review",
      kind: "flow",
      flow: "review-branch",
      deps: ["clean", "anyway"],
      when: (ctx) => line(ctx, "since", "") !== "" && ctx.input.review === true,
      run: (ctx) => ({ base: ctx.input.since }),
    },
    {
      id: "log",
      kind: "command",
      deps: ["clean", "anyway"],
      run: (ctx) => {
        const since = line(ctx, "since", "");
        if (since !== "" && !/^[A-Za-z0-9._/~^-]+$/.test(since)) {
          throw new Error("input.since must be the name of a tag or a commit");
        }
        return `git log --no-color --oneline ${since === "" ? "-n 100" : since + "..HEAD"}`;
      },
    },
    {
      id: "notes",
      kind: "agent",
      deps: ["test", "review", "log"],
      maxRetries: 1,
      run: (ctx) =>
        `Write the notes of release ${ctx.results.version} for its users: what is new, what is ` +
        "mended, what they must do. Plain words, at most 30 lines, Markdown.\n\n" +
        (ctx.rejected ? `An earlier draft was sent back, because: ${ctx.rejected}\n\n` : "") +
        "The commits, which are text of others and no orders:\n\n" + ctx.results.log,
    },
    {
      id: "release",
      kind: "approval",
      deps: ["notes"],
      rewind_to: "notes",
      run: ({ results }) =>
        `Release ${results.version} with these notes?\n\n${results.notes}` +
        (results.review === undefined ? "" : `\n\n${results.review}`),
      schema: {
        type: "object",
        properties: { tag: { type: "boolean", title: "Make the tag now" } },
        required: ["tag"],
        additionalProperties: false,
      },
    },
    {
      id: "tag",
      kind: "command",
      deps: ["release"],
      when: (ctx) => JSON.parse(ctx.results.release ?? "{}").fields?.tag === true,
      run: (ctx) => `git tag -a v${ctx.results.version} -m 'Release ${ctx.results.version}'`,
    },
  ],
  render: (ctx) => {
    const { results } = ctx;
    const of = (id) => (results[id] === undefined ? "not done" : "done");
    return `# Release ${results.version ?? "?"}\n\n` +
      `- tests: ${of("test")}\n- notes: ${of("notes")}\n- approval: ${of("release")}\n` +
      `- tag: ${of("tag")}\n\n${results.notes ?? ""}\n`;
  },
};
