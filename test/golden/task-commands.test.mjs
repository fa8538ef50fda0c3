// task-commands.test.mjs: the commands for tasks and boards, as a pipe sees them.
//
// runs-with: release, san, postgres
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { golden } from "./golden.mjs";

golden("task-commands", async (record) => {
  const daemon = await record.daemon();
  const root = path.join(record.folder, "web");
  mkdirSync(root);
  writeFileSync(path.join(root, "fix.patch"), "+ a line\n");
  const cli = (line, ...more) => record.cli(daemon, [...line.split(" "), ...more]);
  const both = async (line, ...more) => {
    await cli(line, ...more);
    await cli(line, ...more, "--json");
  };
  const typed = (line, input) => record.cli(daemon, line.split(" "), { input });
  await both("task ls");
  await both("board");
  await cli("project add web --root", root);
  record.say("tasks");
  const web = ["--project", "web"];
  await cli("task add Parser --type code -p 7 --must-output code --must", "It is green", ...web);
  await cli("task add Notes --after T-1 --for writer --lane docs --json", ...web);
  await typed("task add Long --project web --description -", "Two\nlines\n");
  await both("task ls", ...web);
  await cli("task ls --status pending --search note --total", ...web);
  await both("board web");
  record.say("an attempt by hand");
  await both("task claim web/T-1");
  await cli("task claim web/T-1 --agent bob");
  await cli("task claim web/T-2");
  await both("task status web/T-1 working");
  await cli("task status web/T-1 review");
  await cli("task output web/T-1 --type code --title A --path", path.join(root, "fix.patch"));
  await typed("task output web/T-1 --type data --title B --summary S --json", "text\n");
  await typed("task comment web/T-1", "From a file.\n");
  await cli("task comment web/T-1 --json", "From the line.");
  await cli("task status web/T-1 review");
  await cli("task review web/T-1 --reject", "No test", "--reject", "Names", "--json");
  await both("task show web/T-1");
  record.say("changes");
  await both("task edit web/T-1 --title", "A parser");
  await cli("task edit web/T-1 --after T-2");
  await both("task waive web/T-2 T-1 --because", "By hand");
  await cli("task cancel web/T-1 web/T-3");
  await cli("task cancel web/T-1 web/T-9");
  await both("task retry web/T-1");
  await cli("task retry web/T-3 --json");
  await cli("task cancel web/T-3 --json");
  await cli("task claim web/T-1");
  await cli("task status web/T-1 working");
  await typed("task output web/T-1 --type code --title C", "text\n");
  await cli("task status web/T-1 review");
  await both("task review web/T-1 --accept");
  await cli("board web --once");
  record.say("an import, twice");
  const list = path.join(root, "plan.md");
  writeFileSync(list, "- [ ] Release\n  - [ ] Notes\n  - [x] Tests\n");
  await cli("task import --project books --dry-run", list);
  await both("task import --project books", list);
  await cli("task show books/T-2");
  mkdirSync(path.join(root, "list")); // A file per task: the second one waits for the first.
  const task = (id, more) => {
    const file = path.join(root, "list", `${id}.json`);
    writeFileSync(file, JSON.stringify({ id, subject: `Task ${id}`, ...more }));
    return file;
  };
  await cli("task import --project books", task("1", {}));
  await cli("task import --project books", task("2", { blockedBy: ["1", "9"] }));
  await cli("task ls --project books --search", "Task 2", "--json");
  await cli("task rm books/T-4");
  await cli("task rm books/T-3 --json");
  record.say("wrong uses");
  await cli("task import", path.join(root, "fix.patch"));
  await cli("task show nonsense");
  await cli("task show");
  await cli("task edit web/T-1");
  await cli("task review web/T-1");
  await cli("task add A --not-before soon");
  await cli("task add A --link B");
  await cli("task waive web/T-2 T-1");
  await cli("task output web/T-1 --type code");
  await cli("task output web/T-1 --type code --title A --path", path.join(root, "none"));
});
