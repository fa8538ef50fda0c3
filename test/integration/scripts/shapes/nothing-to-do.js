export const meta = { name: "nothing-to-do", description: "Returns before it asks anybody." };

const files = (args?.files ?? []).filter((file) => file.endsWith(".c"));
if (!files.length) {
  log("nothing to do");
  return;
}
return await parallel(files.map((file) => () => agent(`Review ${file}`, { label: file })));
