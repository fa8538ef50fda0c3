export const meta = { name: "words-only", description: "Talks of Date.now() and setTimeout()." };

// require("fs") would be nice, and so would fetch("https://example.com"), but neither is needed.
const rules = `Never call Date.now(), Math.random(), setTimeout(f, 1) or require("x") in a test.`;
const pattern = /setInterval\(|process\.env/;
const verdict = await agent(`Does the code follow this? ${rules}`, { label: "rules" });
return { hit: pattern.test(rules), verdict: typeof verdict, name: meta.name };
