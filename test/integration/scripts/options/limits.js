export const meta = { name: "limits", description: "Agents with budgets of their own." };

const small = await agent("In ten words.", { label: "small", budget: 2000 });
const whole = await agent("As long as it takes.", { label: "whole",
  budget: { tokens: 100000, cost_micros: 500000 }, max_tool_iters: 3 });
return [small, whole].map((text) => text !== null);
