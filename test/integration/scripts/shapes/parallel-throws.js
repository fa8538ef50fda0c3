export const meta = {
  name: "parallel-throws",
  description: "Failures of one are not those of all.",
};

const all = await parallel([
  () => agent("The good one.", { label: "good" }),
  () => agent(""),
  async () => { throw new TypeError("mine"); },
  () => agent("Bad options.", { label: "bad", effort: "endless" }),
  () => "no agent at all",
]);
const settled = await Promise.allSettled([agent("Also good.", { label: "also" }), agent(7)]);
return [all.map((one) => one === null), settled.map((one) => one.status)];
