export const meta = { name: "list", description: "A list of files, however it comes." };

const files = Array.isArray(args) ? args
  : typeof args === "string" ? args.split(/[,\s]+/)
  : args?.files ?? [];
if (files.length === 0) return "no files";
const seen = await pipeline(files, (file) => agent(`Look at ${file}`, { label: file }));
return `${seen.filter(Boolean).length} of ${files.length}`;
