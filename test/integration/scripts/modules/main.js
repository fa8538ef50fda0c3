export const meta = {
  name: "main",
  description: "The form of an exported main function.",
  phases: [{ title: "Gather" }, { title: "Report" }],
};

export default async function main(args) {
  phase("Gather");
  const topics = args?.topics ?? ["past", "present"];
  const facts = await parallel(topics.map((t) => () =>
    agent(`Facts about the ${t}.`, { label: t })));
  phase("Report");
  await agent(`Report on ${facts.length} topics.`, { label: "report" });
  return { topics: facts.length };
}
