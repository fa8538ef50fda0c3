// find-issues: looks for problems in rounds. Each round is told what is known, so that it looks
// further; when two in a row find nothing new, there is likely nothing left to find this way.
export const meta = {
  name: "find-issues",
  description: "Looks for issues in rounds, until two of them find nothing new.",
  whenToUse: "To find as much as can be found, not only what is seen first.",
  phases: [{ title: "Search", detail: "rounds of three searchers" }],
  args: {
    type: "object",
    not: { required: ["target", "path"] },
    additionalProperties: false,
    properties: {
      target: { type: "string", minLength: 1, default: ".", description: "A file or a folder" },
      maxRounds: { type: "integer", minimum: 1, maximum: 50, default: 5 },
      path: { type: "string", minLength: 1, description: "The same as target" },
    },
  },
};

const issuesSchema = {
  type: "object",
  required: ["issues"],
  additionalProperties: false,
  properties: {
    issues: {
      type: "array",
      maxItems: 20,
      items: {
        type: "object",
        required: ["file", "line", "title", "severity", "why", "fix"],
        additionalProperties: false,
        properties: {
          file: { type: "string" },
          line: { type: "integer", minimum: 0 },
          title: { type: "string" },
          severity: { enum: ["critical", "high", "medium", "low"] },
          why: { type: "string" },
          fix: { type: "string" },
        },
      },
    },
  },
};

const ways = [
  "by reading: follow the data from where it enters to where it is stored or shown",
  "by doubt: take each assumption the code makes, and look for the caller that breaks it",
  "by comparing: what is done in most places, and forgotten in one",
];

const { path = ".", target = path, maxRounds = 5 } = args ?? {};
const DRY_ROUNDS = 2;

const known = new Map();
const place = (issue) => `${issue.file}:${issue.line}:${issue.title.toLowerCase().trim()}`;

let rounds = 0;
for (let dry = 0; dry < DRY_ROUNDS && rounds < maxRounds && budget.remaining() > 0; ) {
  rounds += 1;
  phase("Search");
  const told = [...known.values()].map((one) => `- ${one.file}:${one.line} ${one.title}`);
  const answers = await parallel(
    ways.map((way, i) => () =>
      agent(
        `Look for issues in ${target}, ${way}. Report only what is not known yet, with file and ` +
          `line; none is a good answer.\n\nRound ${rounds}. Known so far:\n` +
          (told.length > 0 ? told.join("\n") : "nothing"),
        { label: `round ${rounds}, ${["reading", "doubt", "comparing"][i]}`, schema: issuesSchema },
      ),
    ),
  );
  // A round in which nobody answered has shown nothing, and the next one would not either.
  if (answers.every((answer) => answer === null)) {
    throw new Error(`round ${rounds}: no finder answered; ${known.size} issues were known before`);
  }
  const before = known.size;
  for (const issue of answers.flatMap((answer) => answer?.issues ?? [])) {
    if (!known.has(place(issue))) known.set(place(issue), { ...issue, round: rounds });
  }
  const found = known.size - before;
  dry = found === 0 ? dry + 1 : 0;
  log(`round ${rounds}: ${found} new, ${known.size} in all`);
}

return { issues: [...known.values()], rounds };
