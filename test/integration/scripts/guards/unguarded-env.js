export const meta = { name: "unguarded-env", description: "Reads a token from the environment." };

const token = process.env.GITHUB_TOKEN;
return await agent(`List my pull requests. ${token ? "There is a token." : ""}`);
