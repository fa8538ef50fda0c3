// No failure of a call is an exception here, so there is no try.
export const meta = { name: "failures", description: "Meets each kind of failure." };

export default async function main({ word }) {
  const refused = await agent(`${word} refused`);
  const unknown = await agent(`${word} typed`, { agentType: "nobody-of-that-name" });
  const long = await agent("x".repeat(1 << 21));
  const incapable = await agent(`${word} incapable`, { capabilities: ["flight"] });
  const paid = await agent(`${word} paid`);
  const broke = await agent(`${word} broke`);
  return { refused, unknown, long, incapable, paid, broke };
}
