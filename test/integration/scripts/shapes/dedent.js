export const meta = { name: "dedent", description: "Prompts by a tagged template." };

function prompt(strings, ...values) {
  const whole = strings.raw.reduce((all, part, i) => all + part + (values[i] ?? ""), "");
  return whole.replace(/\n\s+/g, "\n").trim();
}
const file = "a.c";
const text = prompt`
  Review ${file}.
  ${["bugs", "style"].map((what) => `- Look for ${what}.`).join("\n")}
  Answer in one line.`;
await agent(text, { label: file });
return text.split("\n").length;
