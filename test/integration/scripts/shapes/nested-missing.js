export const meta = {
  name: "nested-missing",
  description: "Uses another workflow where there is one.",
};

const plan = await workflow("team-kit:release-plan", { version: "2.0" }).catch((error) => {
  log("no plan:", error.message.split(".")[0]);
  return null;
});
return plan ?? typeof (await agent("Plan release 2.0 from scratch.", { label: "plan" }));
