export const meta = { name: "other-efforts", description: "Levels of other hosts." };

const least = await agent("Quickly.", { label: "least", effort: "minimal" });
let why = null;
try {
  await agent("Without thinking.", { label: "none", effort: "none" });
} catch (error) {
  why = error.message;
}
return { least: typeof least, why };
