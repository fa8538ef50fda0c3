export const meta = {
  name: "fetch-or-ask",
  description: "Gets release notes by whatever there is.",
};

async function notes(version) {
  if (typeof fetch === "function") {
    const answer = await fetch(`https://example.com/notes/${version}`);
    return answer.text();
  }
  return agent(`Find the release notes of ${version}.`, { label: version, phase: "Notes" });
}

const texts = [];
for (const version of ["1.0", "1.1"]) texts.push(await notes(version));
const all = texts.join("\n---\n");
await agent(`Merge these:\n${all}`, { label: "merge", phase: "Merge" });
return texts.length;
