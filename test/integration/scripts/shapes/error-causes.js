export const meta = { name: "error-causes", description: "Errors have causes." };

class StepError extends Error {
  name = "StepError";
  constructor(step, cause) {
    super(`step ${step} failed`, { cause });
  }
}
const causes = (error) =>
  (error ? [`${error.name}: ${error.message}`, ...causes(error.cause)] : []);
const step = async (name, work) => {
  try {
    return await work();
  } catch (error) {
    throw new StepError(name, error);
  }
};
const told = await step("outer", () => step("inner", () => agent("")))
  .catch(causes).finally(() => log("over"));
const settled = await Promise.allSettled([agent("Say yes.", { label: "yes" }),
  step("empty", () => agent(null))]);
const first = await Promise.any([Promise.reject(new Error("no")), agent("Any?", { label: "any" })]);
const all = await Promise.any([step("a", () => { throw 1; }), Promise.reject(2)])
  .catch(({ name, errors }) => [name, errors.length, errors[0].cause]);
return { told, settled: settled.map((one) => one.status), first: typeof first, all };
