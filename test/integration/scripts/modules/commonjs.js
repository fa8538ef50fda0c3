"use strict";
const meta = { name: "commonjs", description: "A module of the old kind." };
async function run(input) {
  const { files = ["a.c"] } = input ?? {};
  const notes = await pipeline(files, (file) => agent(`Lint ${file}`, { label: file }));
  return notes.length;
}
module.exports = { meta, default: run };
