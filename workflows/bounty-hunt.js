// bounty-hunt: four hunters, one for each class of holes. What one of them brings counts when a
// second agent, who is told to disbelieve it, comes to the same end.
export const meta = {
  name: "bounty-hunt",
  description: "Hunts for four classes of security holes at once; another agent confirms each.",
  whenToUse: "Code that strangers can reach. Only what may be tested: nothing is attacked.",
  phases: [
    { title: "Hunt", detail: "injection, authentication, cryptography, business logic" },
    { title: "Confirm", detail: "a second agent for each finding" },
  ],
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
const findingsSchema = {
  type: "object",
  required: ["findings"],
  additionalProperties: false,
  properties: {
    findings: {
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
          severity: { enum: severities },
          why: { type: "string", description: "The way of an attacker, step by step" },
          fix: { type: "string" },
        },
      },
    },
  },
};
const verdictSchema = {
  type: "object",
  required: ["confirmed", "reason"],
  additionalProperties: false,
  properties: {
    confirmed: { type: "boolean" },
    reason: { type: "string" },
    severity: { enum: severities },
  },
};

const classes = {
  injection: "SQL, shell, templates, paths, deserialisation, headers: input that becomes code",
  authentication: "sessions, tokens, permission checks that are missing or come too late",
  cryptography: "weak algorithms, reused nonces, comparisons that tell time, keys in the code",
  "business logic": "steps left out or repeated, races for money or stock, limits that don't hold",
};

const { path, target = path } = args;
const names = Object.keys(classes);

// Each class flows on its own: the findings of a fast hunter are confirmed while others still hunt.
const hunts = await pipeline(
  names,
  (name) =>
    agent(
      `Hunt for security holes in ${target}, of this class alone: ${name} (${classes[name]}). ` +
        `Read the code; attack nothing. Report only holes whose way you can show, from the input ` +
        `to the harm. An empty list is a good answer.`,
      { label: name, phase: "Hunt", schema: findingsSchema },
    ),
  (hunt, name) => {
    if (hunt === null) return null;
    return parallel(
      hunt.findings.map((finding, i) => async () => {
        const verdict = await agent(
          `Somebody says that this is a security hole in ${target}. Try to show that it is none: ` +
            `look for the check, the caller, the setting that makes it harmless. Confirm it only ` +
            `if you cannot.\n\n${JSON.stringify(finding, null, 1)}`,
          { label: `${name} ${i + 1}`, phase: "Confirm", schema: verdictSchema },
        );
        return { ...finding, class: name, verdict };
      }),
    );
  },
);

const judged = hunts.flatMap((found) => found ?? []).filter((one) => one !== null);
const bySeverity = (a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity);
const confirmed = judged
  .filter((one) => one.verdict?.confirmed === true)
  .map(({ verdict, ...one }) => ({ ...one, severity: verdict.severity ?? one.severity }))
  .sort(bySeverity);
const rejected = judged
  .filter((one) => one.verdict?.confirmed === false)
  .map(({ verdict, ...one }) => ({ ...one, reason: verdict.reason }));
const unjudged = judged.filter((one) => !one.verdict).map(({ verdict, ...one }) => one);
log(`${confirmed.length} confirmed, ${rejected.length} rejected, ${unjudged.length} not judged`);

return {
  target,
  findings: confirmed,
  rejected,
  unjudged,
  missing: names.filter((_, i) => hunts[i] === null),
};
