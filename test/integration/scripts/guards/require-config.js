export const meta = {
  name: "require-config",
  description: "Uses a config module where one loads.",
};

const defaults = { reviewers: ["security", "speed"], strict: true };
const config = typeof require === "function" ? require("./review.config.js") : defaults;
const seen = await parallel(
  config.reviewers.map((who) => () => agent(`As ${who} reviewer: is this sound?`, { label: who })),
);
return { reviewers: config.reviewers.length, strict: config.strict, seen: seen.length };
