export const meta = { name: "context-pattern", description: "Gets its functions as an argument." };

export default async ({ agent, parallel, phase, log: say, args, budget }) => {
  const files = args?.files ?? ["a.c", "b.c"];
  phase("Audit");
  const notes = await parallel(files.map((file) => () =>
    agent(`Audit ${file}`, { label: file, model: "sonnet" })));
  say(`${notes.length} files`, budget.total);
  return { files: notes.length, mode: args?.mode ?? "read" };
};
