// tasks.mjs: boards with more tasks than a test could make one by one.
import { execFileSync } from "node:child_process";
import path from "node:path";

const PYTHON = "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]);" +
  " db.executescript(sys.argv[2]); db.commit(); os._exit(0)";
const STATUSES = ["pending", "working", "review", "blocked", "done", "failed"];

/** Changes the rows of a daemon that is stopped. */
export const rowsChange = ({ data }, sql) =>
  execFileSync("python3", ["-c", PYTHON, path.join(data, "drover.db"), sql]);

/** `count` tasks of a project, as copies of one, behind the daemon's back, which is stopped and
 *  started: as many of each status. */
export async function manyTasks({ daemon }, ask, count) {
  const { id } = await ask("POST", "/projects/engine/tasks", { title: "Task of many" });
  await daemon.stop();
  const db = path.join(daemon.data, "drover.db");
  const columns = execFileSync("python3", ["-c", "import sqlite3, sys;" +
    " print(','.join(row[1] for row in sqlite3.connect(sys.argv[1])" +
    ".execute('PRAGMA table_info(tasks)')))", db]).toString().trim().split(",");
  const other = columns.filter((name) =>
    !["id", "task", "name", "place", "status", "priority"].includes(name));
  rowsChange(daemon, `
    WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO tasks (task, name, place, status, priority, ${other.join()})
    SELECT 'tsk_' || printf('%026d', i), 'T-' || i, i, CASE i % ${STATUSES.length}
      ${STATUSES.map((status, at) => `WHEN ${at} THEN '${status}'`).join(" ")} END, i % 10,
      ${other.map((name) => `tasks.${name}`).join()}
    FROM tasks JOIN n WHERE tasks.task = '${id}'`);
  await daemon.start();
}
