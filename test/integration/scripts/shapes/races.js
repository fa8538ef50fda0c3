export const meta = { name: "races", description: "The first answer counts." };

const first = await Promise.race(["quick", "deep"].map(async (way) => {
  const text = await agent(`The ${way} way.`, { label: way });
  return text ? way : null;
}));
const any = await Promise.any([agent("Anyone?", { label: "any" }), Promise.reject(new Error("x"))]);
return { first: ["quick", "deep"].includes(first), any: typeof any };
