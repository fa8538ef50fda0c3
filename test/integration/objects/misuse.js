// What is wrong in the script itself is an exception on every host.
export const meta = { name: "misuse", description: "Calls with wrong arguments." };

const thrown = async (call) => {
  try {
    return await call();
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
};
export default async function main() {
  return [
    await thrown(() => agent(7)),
    await thrown(() => agent("hello", { effort: "huge" })),
    await thrown(() => workflow(7)),
    await thrown(() => parallel([7])),
  ];
}
