// spans.mjs: sessions whose turns have many steps, more than a test could wait for.
import { execFileSync } from "node:child_process";
import path from "node:path";

export const TURNS = 10;
const PYTHON = "import os, sqlite3, sys; db = sqlite3.connect(sys.argv[1]);" +
  " db.executescript(sys.argv[2]); db.commit(); os._exit(0)";
/** One of these many failed. */
export const FAILED_EACH = 500;

/** A session of TURNS turns with `count` steps behind the daemon's back, which is stopped and
 *  started: a third of them are calls of a model, the others of tools. */
export async function manySpans({ daemon }, ask, count) {
  const { id } = await ask("POST", "/sessions", { title: "Many steps", model: "scripted/demo" });
  for (let n = 1; n <= TURNS; n++) {
    await ask("POST", `/sessions/${id}/messages?wait=60`, { text: `say: this is turn ${n}` });
  }
  await daemon.stop();
  execFileSync("python3", ["-c", PYTHON, path.join(daemon.data, "drover.db"), `
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count / TURNS - 1})
    INSERT INTO spans (run, attempt, step, kind, name, state, cause, started_ms, ended_ms, fresh,
      cache_read, cache_write, output_tokens, reasoning, cost, input, error)
    SELECT turns.run, 1, 100 + i, CASE WHEN i % 3 = 0 THEN 'model' ELSE 'tool' END,
      CASE WHEN i % 3 = 0 THEN 'scripted/demo' ELSE 'read_file' END,
      CASE WHEN i % ${FAILED_EACH} = 0 THEN 'failed' ELSE 'succeeded' END,
      CASE WHEN i % ${FAILED_EACH} = 0 THEN 'not_found' ELSE 'completed' END,
      runs.started_ms + i * 20, runs.started_ms + i * 20 + 5 + i % 1500,
      CASE WHEN i % 3 = 0 THEN 1000 END, CASE WHEN i % 3 = 0 THEN i % 4000 END,
      CASE WHEN i % 3 = 0 THEN 0 END, CASE WHEN i % 3 = 0 THEN 50 END,
      CASE WHEN i % 3 = 0 THEN 0 END, CASE WHEN i % 3 = 0 THEN 120 END,
      CASE WHEN i % 3 = 0 THEN ''
        ELSE json_quote('{"path":"src/file-' || i || '.c"}') END, ''
    FROM turns JOIN runs ON runs.id = turns.run JOIN n
    WHERE turns.session = (SELECT id FROM sessions WHERE session = '${id}')`]);
  await daemon.start();
  return id;
}
