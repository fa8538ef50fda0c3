export const meta = { name: "context-foreign", description: "Its host has another phase()." };

module.exports = {
  meta,
  async default(ctx, input) {
    const [plan] = await ctx.phase("Plan", [ctx.agent(`Plan: ${input}`, { label: "plan" })]);
    return ctx.finish(plan.text);
  },
};
