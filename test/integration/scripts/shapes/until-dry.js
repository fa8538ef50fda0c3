export const meta = {
  name: "until-dry",
  description: "Rounds until two of them find nothing new.",
};

const seen = new Set();
let dry = 0, rounds = 0;
while (dry < 2 && rounds < 10) {
  rounds++;
  const found = await agent(`Round ${rounds}: find bugs other than ${[...seen].length}.`, {
    label: `round ${rounds}`,
    schema: { type: "object", required: ["ids"],
      properties: { ids: { type: "array", items: { type: "string" } } } },
  });
  const fresh = (found?.ids ?? []).filter((id) => !seen.has(id));
  fresh.forEach((id) => seen.add(id));
  dry = fresh.length === 0 ? dry + 1 : 0;
}
return { dry, few: rounds <= 3 };
