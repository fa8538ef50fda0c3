// multi-review: code health, security and standards, seen by three reviewers; what two of them
// found is told once, and by whom.
export const meta = {
  name: "multi-review",
  description: "Reviews code health, security and standards at once; merged without duplicates.",
  whenToUse: "A broad look at a project or a folder, not at a single change.",
  phases: [{ title: "Review" }, { title: "Merge", detail: "the same finding is told once" }],
  args: {
    type: "object",
    oneOf: [{ required: ["target"] }, { required: ["path"] }],
    additionalProperties: false,
    properties: {
      target: { type: "string", minLength: 1, description: "A file or a folder" },
      path: { type: "string", minLength: 1, description: "The same as target" },
    },
  },
};

const severities = ["critical", "high", "medium", "low"];
const finding = {
  type: "object",
  required: ["file", "line", "title", "severity", "why", "fix"],
  additionalProperties: false,
  properties: {
    file: { type: "string" },
    line: { type: "integer", minimum: 0 },
    title: { type: "string" },
    severity: { enum: severities },
    why: { type: "string" },
    fix: { type: "string" },
  },
};
const reviewSchema = {
  type: "object",
  required: ["findings"],
  additionalProperties: false,
  properties: { findings: { type: "array", maxItems: 50, items: finding } },
};
const mergeSchema = {
  type: "object",
  required: ["groups"],
  additionalProperties: false,
  properties: {
    groups: {
      type: "array",
      description: "Numbers of findings that are the same one; those that stand alone are left out",
      items: { type: "array", minItems: 2, items: { type: "integer", minimum: 0 } },
    },
  },
};

const reviewers = {
  "code health": "dead code, duplication, misleading names, functions that do too much, weak tests",
  security: "trusted input, missing permission checks, injection, secrets, outdated dependencies",
  standards: "the project's own rules: what its docs, linters and the code around it ask for",
};

const { path, target = path } = args;

phase("Review");
const names = Object.keys(reviewers);
const reviews = await parallel(
  names.map((name) => () =>
    agent(
      `Review ${target} for ${name}: ${reviewers[name]}. Give file and line for each finding, ` +
        `and only what you can show. An empty list is a good answer.`,
      { label: name, schema: reviewSchema },
    ),
  ),
);
const all = reviews.flatMap((review, i) =>
  (review?.findings ?? []).map((one) => ({ ...one, by: [names[i]] })),
);

// The same place is the same finding; which of the others mean the same, an agent tells. It answers
// with numbers: so it cannot lose a finding or make one up.
function join(kept, one) {
  kept.by = [...new Set([...kept.by, ...one.by])];
  if (severities.indexOf(one.severity) < severities.indexOf(kept.severity)) {
    kept.severity = one.severity;
  }
}
const byPlace = new Map();
for (const one of all) {
  const place = `${one.file}:${one.line}:${one.title.toLowerCase()}`;
  if (byPlace.has(place)) join(byPlace.get(place), one);
  else byPlace.set(place, one);
}
const distinct = [...byPlace.values()];

phase("Merge");
if (distinct.length > 1) {
  const merged = await agent(
    `Which of these findings of a review are the same one, told in other words? Two that only ` +
      `stand near each other are not.\n\n` +
      distinct.map((one, i) => `${i}. ${one.file}:${one.line} ${one.title}: ${one.why}`).join("\n"),
    { label: "merge", schema: mergeSchema },
  );
  for (const [first, ...others] of merged?.groups ?? []) {
    for (const other of others) {
      if (other === first || !distinct[first] || !distinct[other]) continue;
      join(distinct[first], distinct[other]);
      distinct[other] = null;
    }
  }
}

const findings = distinct
  .filter((one) => one !== null)
  .sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
log(`${all.length} findings of ${names.length} reviewers, ${findings.length} when merged`);

return { target, findings, missing: names.filter((_, i) => reviews[i] === null) };
