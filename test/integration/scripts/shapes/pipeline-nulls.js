export const meta = { name: "pipeline-nulls", description: "Some items get lost on the way." };

const results = await pipeline(
  ["keep", "drop", "fail", "last"],
  (item) => (item === "drop" ? null : agent(`Read ${item}`, { label: item, phase: "Read" })),
  (text, item) => {
    if (item === "fail") throw new Error("unreadable");
    return text && agent(`Rate ${item}`, { label: item, phase: "Rate" });
  },
);
return results.map((one) => one !== null);
