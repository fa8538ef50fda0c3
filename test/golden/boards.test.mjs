// boards.test.mjs: a board: its tasks, their moves, outputs, comments and reviews.
//
// runs-with: release, san, postgres
import { golden } from "./golden.mjs";

golden("boards", async (record) => {
  const daemon = await record.daemon();
  const ask = (...request) => record.ask(daemon, ...request);
  const at = "projects/shop/tasks";
  await ask("POST", "projects", { name: "shop", board: { agents: [{ name: "nobody" }],
    hold: true } });
  await ask("POST", at, { title: "First", description: "Do it.", must_haves: ["fast",
    { output: "code" }], priority: 7, type: "bug" });
  await ask("POST", at, { title: "Second", depends_on: ["T-1"], lane: "db", assignee: "me",
    links: [{ kind: "related", task: "T-1" }] });
  await ask("GET", `${at}?total=1`);
  await ask("GET", `${at}?ready=1`);
  await ask("PATCH", `${at}/T-1`, { depends_on: ["T-2"] });
  await ask("PATCH", `${at}/T-1`, { title: "The first", capability: "web" });
  await ask("POST", `${at}/T-2/claim`, { agent: "me" });
  await ask("POST", `${at}/T-1/claim`, { agent: "me" });
  await ask("POST", `${at}/T-1/claim`, { agent: "you" });
  await ask("POST", `${at}/T-1/status`, { status: "review", agent: "me" });
  await ask("POST", "/api/projects/shop/tasks/T-1/status", { status: "working", agent: "me" });
  await ask("POST", `${at}/T-1/status`, { status: "done", agent: "me" });
  const output = { agent: "me", type: "code", title: "it", content: "int main;", summary: "all" };
  const made = await record.ok(daemon, "POST", `${at}/T-1/outputs`, output);
  await ask("GET", `${at}/T-1/outputs/${made.id}`);
  await ask("GET", `/api/projects/shop/tasks/T-1/outputs/${made.id}`);
  await ask("POST", "/api/projects/shop/tasks/T-1/outputs", { ...output, title: "more" });
  await ask("POST", `${at}/T-1/comments`, { author: "me", body: "I **did** it." });
  await ask("POST", "/api/projects/shop/tasks/T-1/comments", { author: "me", body: "And more." });
  await ask("POST", `${at}/T-1/status`, { status: "review", agent: "me" });
  const { attempt } = await record.ok(daemon, "GET", `${at}/T-1`);
  await ask("POST", `${at}/T-1/review`, { accept: true });
  await ask("POST", `${at}/T-1/review`, { attempt, accept: false });
  await ask("POST", `${at}/T-1/review`, { attempt, accept: false, reasons: [" "] });
  await ask("POST", `${at}/T-1/review`, { attempt, accept: false, reasons: ["slow"] });
  await ask("POST", `${at}/T-1/review`, { attempt, status: "review", accept: true });
  await ask("POST", `${at}/T-2/waive`, { needs: "T-1", because: "it is no use" });
  await ask("POST", `${at}/T-2/status`, { status: "cancelled" });
  await ask("GET", "/api/projects/shop/tasks/T-1?expand=all");
  await ask("GET", `${at}/T-1`);
  await ask("GET", `${at}/T-9`);
  await ask("GET", `${at}/_`);
  await ask("GET", "projects/none/tasks");
  await ask("DELETE", `${at}/T-1`);
  await ask("DELETE", `${at}/T-1`);
  await ask("DELETE", "projects/shop/texts");
});
