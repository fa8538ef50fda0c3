export const meta = { name: "json-comments", description: "Takes JSON with comments." };

const strip = (text) => text.replace(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[^]*?\*\//g, "$1")
  .replace(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, "$1");
const config = typeof args === "string" ? JSON.parse(strip(args)) : args ?? {};
const { files = [], url } = config;
const notes = await parallel(files.map((file) => () => agent(`Lint ${file}`, { label: file })));
return { notes: notes.length, url };
