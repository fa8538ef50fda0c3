export const meta = { name: "host-options", description: "Options that another host understands." };

const common = { _predispatch: true, stallMs: 60000 };
const seen = await parallel(["a", "b", "c"].map((id) => () =>
  agent(`Check ${id}`, { ...common, label: id, timeout: 30, retries: 2 })));
return seen.length;
