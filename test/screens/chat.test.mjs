// chat.test.mjs: drover chat on terminals of 40, 80 and 120 columns.
//
// runs-with: screens
import { test } from "node:test";

import { bin } from "../integration/lib.mjs";
import { scaled } from "../integration/scale.mjs";
import { call, say, script, Turns } from "../integration/turns.mjs";
import { golden, Tmux } from "./tmux.mjs";

const LIMIT = { timeout: scaled(60_000) };
const CHAT = `'${bin}' chat --model scripted/demo --root .`;

/** Ids and folders are as long as before, so that lines break where they did. */
const hide = (text) =>
  text.replaceAll(/(?<=ses_)(?:(?:\w|\n(?=\w)){26,27}|\w{12})/g, (id) => id.replaceAll(/\w/g, "0"))
    .replaceAll(/\/tmp\/drv-\w{6}/g, "/tmp/drv-000000");

for (const columns of [40, 80, 120]) {
  test(`a chat of ${columns} columns: wide characters, a paste, an answer from elsewhere`, LIMIT,
    async (t) => {
      const turns = await Turns.open(t);
      const env = { DROVER_DATA: turns.daemon.data };
      const screen = new Tmux(t, CHAT, { columns, cwd: turns.root, env });
      await screen.when((all) => /\n> $|\n>$/m.test(all));
      screen.paste(script(call("write_file", { path: "b", content: "日本語\n" }), say("**日本語** 😀")));
      screen.keys("Enter");
      await screen.when((all) => all.includes("a (always)"));
      const [{ id }] = (await turns.get("/approvals")).items;
      await turns.approve(id);
      await screen.when((all) => /😀\n\n>$/m.test(all));
      screen.type("日本語 half");
      const shown = await screen.when((all) => /😀\n\n> 日本語 half$/m.test(all));
      golden(`chat-${columns}`, shown, hide);
      screen.resize(columns - 10);
      const narrow = await screen.when((all) => /\n> 日本語 half\n$/.test(all));
      screen.keys("C-l");
      await screen.when((all) => all === "> 日本語 half\n");
      golden(`chat-${columns}-resized`, narrow, hide);
    });
}
