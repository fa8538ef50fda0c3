// deep-research: splits a question, searches the parts side by side, lets other agents doubt what
// was found, and writes a report that says how sure it is and why.
export const meta = {
  name: "deep-research",
  description: "Researches a question from several sides, checks the claims, names its sources.",
  whenToUse: "A question that needs several sources, where a wrong answer would cost something.",
  phases: [
    { title: "Plan", detail: "three to five questions that together answer the one asked" },
    { title: "Search", detail: "a searcher for each" },
    { title: "Read", detail: "sources are fetched, claims taken from them" },
    { title: "Check", detail: "contradictions, gaps, weak sources" },
    { title: "Report" },
  ],
  args: {
    type: "object",
    required: ["query"],
    additionalProperties: false,
    properties: { query: { type: "string", minLength: 1, description: "What to find out" } },
  },
};

const text = { type: "string" };
const texts = { type: "array", items: text };
const object = (properties) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});
const list = (properties, more = {}) => ({ type: "array", items: object(properties), ...more });
const confidence = { enum: ["low", "medium", "high"] };

const source = { url: text, title: text, why: text };
const claim = { claim: text, url: text, quote: text, confidence };
const planSchema = object({ questions: { type: "array", items: text, minItems: 3, maxItems: 5 } });
const searchSchema = object({ sources: list(source, { maxItems: 8 }) });
const readSchema = object({ claims: list(claim, { maxItems: 12 }) });
const problem = { claim: text, problem: text, severity: confidence };
const checkSchema = object({ problems: list(problem) });
const reportSchema = object({
  answer: text,
  findings: list({ finding: text, confidence, sources: texts }),
  open: texts,
});

const { query } = args;
const json = (value) => JSON.stringify(value, null, 1);

phase("Plan");
const plan = await agent(
  `Split this question into three to five questions that can be researched apart from each other ` +
    `and together answer it. Leave out what the others already cover.\n\nQuestion: ${query}`,
  { label: "plan", schema: planSchema },
);
const questions = plan?.questions ?? [query];
log(`${questions.length} questions`);

// No question waits for another one: its sources are read as soon as they were found.
const parts = await pipeline(
  questions,
  (question, _, i) =>
    agent(
      `Find the best sources for this question. Search the web with web_search, if you have that ` +
        `tool; else fetch the pages that you know of. Search the files you have, too; prefer ` +
        `primary sources, and name none that you have not seen.\n\n` +
        `Question ${i + 1} of ${questions.length}: ${question}\n(It is part of: ${query})`,
      { label: `search ${i + 1}`, phase: "Search", schema: searchSchema },
    ),
  (found, question, i) =>
    agent(
      `Fetch these sources and take from them what answers the question. Each claim needs the ` +
        `words of its source; what a source does not say is no claim.\n\n` +
        `Question: ${question}\nSources: ${json(found?.sources ?? [])}\n(Part ${i + 1})`,
      { label: `read ${i + 1}`, phase: "Read", schema: readSchema },
    ),
);
const answered = questions.map((question, i) => ({ question, claims: parts[i]?.claims ?? [] }));
const claims = answered.flatMap((part) => part.claims);
log(`${claims.length} claims from ${new Set(claims.map((one) => one.url)).size} sources`);

phase("Check");
const doubts = [
  ["contradictions", "claims that contradict each other, or the words they quote"],
  ["gaps", "what the question needs and no claim answers"],
  ["weak sources", "claims that rest on one source, an old one, or one with an interest"],
];
const checks = await parallel(
  doubts.map(([name, what]) => () =>
    agent(
      `You did not take part in this research; doubt it. Look only for ${what}. Check against ` +
        `the sources themselves where you can. Nothing to tell is a good answer.\n\n` +
        `Question: ${query}\nWhat was found: ${json(answered)}`,
      { label: name, schema: checkSchema },
    ),
  ),
);
const problems = checks.flatMap((check) => check?.problems ?? []);
log(`${problems.length} problems`);

phase("Report");
const report = await agent(
  `Answer the question from these claims alone. Say of each finding how sure it is, and lower ` +
    `that where a problem was told; name its sources by URL. List what stays open.\n\n` +
    `Question: ${query}\nClaims: ${json(answered)}\nProblems: ${json(problems)}`,
  { label: "report", schema: reportSchema, effort: "high" },
);

return {
  answer: report?.answer ?? "",
  findings: report?.findings ?? [],
  open: report?.open ?? [],
  query,
  questions,
  problems,
  sources: [...new Set(claims.map((one) => one.url))],
  unanswered: answered.filter((part) => part.claims.length === 0).map((part) => part.question),
};
