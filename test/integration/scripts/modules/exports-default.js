exports.meta = {
  name: "exports-default",
  description: "Assigns its function as a transpiler does.",
};
exports.default = async function (args) {
  const text = await agent(`Translate: ${args?.text ?? "hello"}`, { label: "translate" });
  return typeof text;
};
