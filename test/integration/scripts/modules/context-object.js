export const meta = { name: "context-object", description: "Takes a context, and the input." };

async function drafts(ctx, topics) {
  return ctx.pipeline(topics, (topic) => ctx.agent(`Draft: ${topic}`, { label: topic }));
}

export default async function (ctx, input) {
  const { title, topics = ["one", "two"] } = input ?? {};
  ctx.phase("Draft");
  const texts = await drafts(ctx, topics);
  ctx.log(`${texts.length} drafts of ${title}`);
  const summary = await ctx.agent("Sum up.", { label: "sum", phase: "Sum" });
  return { title, texts: texts.length, summary: typeof summary, same: ctx.args === input };
}
