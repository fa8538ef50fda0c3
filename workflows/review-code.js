// review-code: three reviewers with one concern each, and one report, the worst first.
export const meta = {
  name: "review-code",
  description: "Reviews code for correctness, security and performance at once; one report.",
  whenToUse: "Before a change is merged, or to learn where a part of a project is weak.",
  phases: [{ title: "Review", detail: "one reviewer for each concern" }, { title: "Report" }],
  args: {
    type: "object",
    oneOf: [{ required: ["target"] }, { required: ["path"] }],
    additionalProperties: false,
    properties: {
      target: { type: "string", minLength: 1, description: "A file, a folder, a diff, a branch" },
      path: { type: "string", minLength: 1, description: "The same as target" },
    },
  },
};

const severities = ["critical", "high", "medium", "low"];
const findingsSchema = {
  type: "object",
  required: ["findings"],
  additionalProperties: false,
  properties: {
    findings: {
      type: "array",
      maxItems: 50,
      items: {
        type: "object",
        required: ["file", "line", "title", "severity", "why", "fix"],
        additionalProperties: false,
        properties: {
          file: { type: "string" },
          line: { type: "integer", minimum: 0 },
          title: { type: "string" },
          severity: { enum: severities },
          why: { type: "string", description: "What happens, and when" },
          fix: { type: "string" },
        },
      },
    },
  },
};

const concerns = {
  correctness:
    "wrong results, broken edge cases, errors that get lost, races, what the tests don't hold",
  security: "trusted input, missing permission checks, injection, secrets, unsafe defaults",
  performance: "work that grows too fast, repeated I/O, memory that is kept, locks held too long",
};

const { path, target = path } = args;

phase("Review");
const names = Object.keys(concerns);
const reviews = await parallel(
  names.map((name) => () =>
    agent(
      `Review ${target} for ${name} alone: ${concerns[name]}. Read the code and what calls it ` +
        `before you judge. Report what you can show, with file and line, and nothing about ` +
        `style. An empty list is a good answer.`,
      { label: name, schema: findingsSchema },
    ),
  ),
);

const findings = reviews
  .flatMap((review, i) => (review?.findings ?? []).map((one) => ({ ...one, concern: names[i] })))
  .sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
const missing = names.filter((_, i) => reviews[i] === null);
const counts = Object.fromEntries(
  severities.map((level) => [level, findings.filter((one) => one.severity === level).length]),
);
log(`findings: ${severities.map((level) => `${counts[level]} ${level}`).join(", ")}`);
if (missing.length > 0) log(`no review of ${missing.join(" and ")}`);

phase("Report");
const written = await agent(
  `Write the report of a code review of ${target}: first whether it can be merged, then the ` +
    `findings by severity, each with its place, its reason and its cure. Leave none out, add ` +
    `none.\n\nFindings: ${JSON.stringify(findings, null, 1)}` +
    (missing.length > 0 ? `\nNot reviewed: ${missing.join(", ")}. Say so.` : ""),
  { label: "report" },
);

// Whatever the report says: a concern whose reviewer failed was not looked at.
const failed = missing.map((name) => `Not reviewed: ${name} (its reviewer failed).`);
const report = [written ?? "The report could not be written.", ...failed].join("\n\n");

return { target, report, findings, counts, missing };
