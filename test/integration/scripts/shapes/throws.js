export const meta = { name: "throws", description: "Ends with an error of its own." };

const answer = await agent("Is the tree clean?", { label: "look" });
if (!answer?.includes("clean, I promise")) {
  throw new RangeError("the tree is not clean");
}
return answer;
