// cli.test.mjs: the commands, as a user or a script types them.
import assert from "node:assert/strict";
import { createServer } from "node:net";
import path from "node:path";
import { test } from "node:test";

import { Daemon, plainEnv, run, scratch } from "./lib.mjs";
import { stay } from "./stay.mjs";

async function start(t, options = {}) {
  const daemon = await new Daemon({ data: scratch(t), ...options }).start();
  t.after(() => daemon.kill());
  return daemon;
}

test("append, ls, show and tail agree, for people and as JSON", async (t) => {
  const daemon = await start(t);
  const cli = (...args) => daemon.cli(args);
  assert.equal(
    (await cli("stream", "append", "notes", "--type", "hello", "--data", '{"a":1}')).stdout,
    "notes 1\n",
  );
  assert.equal(
    (
      await daemon.cli(["stream", "append", "notes", "-t", "in", "-d", "-"], {
        input: "[1, 2]\n",
      })
    ).code,
    0,
  );
  const third = await cli("stream", "append", "notes", "--type=none", "--json");
  assert.deepEqual(Object.keys(JSON.parse(third.stdout)), ["stream", "seq", "at_ms"]);
  assert.equal(
    (await cli("stream", "tail", "notes")).stdout,
    '1  hello  {"a":1}\n2  in  [1,2]\n3  none  null\n',
  );
  assert.equal(
    (await cli("stream", "tail", "notes", "--after", "2", "--json")).stdout,
    '{"seq":3,"type":"none","data":null}\n',
  );
  assert.equal((await cli("stream", "tail", "notes", "-n", "1")).stdout.split("\n").length, 2);
  assert.match((await cli("stream", "ls")).stdout, /HEAD.*\n +3 +0 .* notes\n$/);
  assert.equal(JSON.parse((await cli("stream", "ls", "--json")).stdout).head, 3);
  assert.equal(
    JSON.parse((await cli("stream", "show", "notes", "--json")).stdout).stream,
    "notes",
  );
  assert.match((await cli("stream", "prune", "notes", "--through", "1")).stdout, /floor +1/);
  assert.match(
    (await cli("stream", "keep", "notes", "--events", "5", "--seconds", "9")).stdout,
    /last 5 events[^]*9 s/,
  );
  assert.match((await cli("stream", "tail", "notes")).stdout, /^-- 1 {2}snapshot/);
});

test("exit codes and one sentence on stderr tell what went wrong", async (t) => {
  const daemon = await start(t);
  for (const [args, code, says] of [
    [["stream", "show", "absent"], 3, /not_found/],
    [["stream", "tail", "absent"], 3, /not_found/],
    [["stream", "append", "system", "--type", "t"], 4, /stream_reserved/],
    [["stream", "append", "s", "--type", "T"], 2, /bad_field/],
    [["stream", "append", "s", "--type", "t", "--data", "{"], 2, /bad_json/],
    [["stream", "append", "s"], 2, /--type/],
    [["stream", "prune", "s"], 2, /--through/],
    [["stream", "keep", "s"], 2, /--events/],
    [["steam"], 2, /did you mean 'drover stream'/],
    [["stream", "tial", "x"], 2, /did you mean 'drover stream tail'/],
    [["stream", "ls", "--jsno"], 2, /did you mean '--json'/],
    [["stream", "tail", "x", "--via", "pigeon"], 2, /sse\|ws\|poll/],
    [["stream", "ls", "--url", "ftp://x"], 2, /http:\/\//],
    [["token", "revoke", "tok_x"], 3, /not_found/],
    [["completion", "tcsh"], 2, /bash, zsh, fish/],
  ]) {
    const result = await daemon.cli(args);
    assert.equal(result.code, code, `${args.join(" ")}: ${result.stderr}`);
    assert.match(result.stderr, says);
    assert.equal(result.stderr.trim().split("\n").length, 1, result.stderr);
    assert.equal(result.stdout, "");
  }
  const json = await daemon.cli(["stream", "show", "absent", "--json"]);
  assert.equal(JSON.parse(json.stderr).error.code, "not_found");
  await daemon.cli(["stream", "append", "s", "-t", "t"]);
  const ahead = await daemon.cli(["stream", "tail", "s", "--after", "5", "-f"]);
  assert.equal(ahead.code, 2);
  assert.match(ahead.stderr, /cursor_ahead|ahead/);
});

test("bad JSON is told by its place in what was typed, and nothing is sent", async (t) => {
  const daemon = await start(t);
  const append = (args, input) => daemon.cli(["stream", "append", "s", ...args], { input });
  for (const [args, input, says] of [
    [["-t", "t", "-d", '{"x":'], "", /^drover: --data: line 1, column 6: .*\(bad_json\)\n$/],
    [["-t", "t", "-d", "1},{"], "", /^drover: --data: line 1, column 2: /],
    [["-t", "t", "-d", ""], "", /^drover: --data: line 1, column 1: /],
    [["-t", "t", "-d", "-"], '{\n  "x": nul\n}', /^drover: the input: line 2, column 8: /],
    [["-t", "t", "-d", "-"], "", /^drover: the input: line 1, column 1: /],
    [["-t", "t", "--lines"], "1\n\n[2,\n3\n", /^drover: the input: line 3, column 4: /],
    [["--lines"], '{"type":"t"}\n{"type":"t",}\n', /^drover: the input: line 2, column 13: /],
  ]) {
    const result = await append(args, input);
    assert.equal(result.code, 2, result.stderr);
    assert.match(result.stderr, says);
  }
  const { stdout } = await daemon.cli(["stream", "tail", "s", "--json"]);
  assert.deepEqual(stdout.trim().split("\n"), [
    '{"seq":1,"type":"t","data":1}', // The lines before the bad one.
    '{"seq":2,"type":"t","data":null}',
  ]);
  const away = await run(["stream", "append", "s", "-t", "t", "-d", "{"], {
    env: { ...plainEnv, DROVER_DATA: path.join(daemon.data, "none") },
  });
  assert.equal(away.code, 2, "it was sent before it was looked at");
});

test("without a daemon, a client says how to start one", async (t) => {
  const folder = scratch(t);
  for (const args of [
    ["stream", "ls"],
    ["stream", "tail", "x", "-f"],
    ["stream", "append", "x", "-t", "t"],
  ]) {
    const result = await run(args, {
      env: { ...plainEnv, DROVER_DATA: path.join(folder, "none") },
    });
    assert.equal(result.code, 9, result.stderr);
    assert.match(result.stderr, /drover serve/);
  }
  const tcp = await run(["stream", "ls", "--url", "http://127.0.0.1:9"]);
  assert.equal(tcp.code, 9);
});

test("over TCP the token comes from the environment", async (t) => {
  const daemon = await start(t);
  const made = await daemon.cli([
    "token",
    "create",
    "--label",
    "for tcp",
    "--scope",
    "read,run",
    "--owner",
    "bob",
  ]);
  assert.equal(made.code, 0, made.stderr);
  const secret = made.stdout.trim();
  assert.match(secret, /^drv_[0-9a-f]{64}$/);
  const tcp = (args, token) =>
    run(args, {
      env: {
        PATH: process.env.PATH,
        DROVER_URL: daemon.url,
        ...(token ? { DROVER_TOKEN: token } : {}),
      },
    });
  assert.equal((await tcp(["stream", "ls"])).code, 4);
  assert.equal((await tcp(["stream", "append", "s", "-t", "t"], secret)).stdout, "s 1\n");
  assert.equal((await tcp(["token", "ls"], secret)).code, 4);
  const list = await daemon.cli(["token", "ls"]);
  assert.match(list.stdout, /^TOKEN +OWNER +SCOPE +KIND +USED +CREATED +LABEL\n/);
  assert.match(list.stdout, /\ntok_\w+ +bob +read,run +token +- +[\w ]+ for tcp\n$/);
  const id = /tok_\w+/.exec(list.stdout)[0];
  assert.equal((await daemon.cli(["token", "revoke", id])).code, 0);
  assert.equal((await tcp(["stream", "ls"], secret)).code, 4);
});

test("a key appends once; --retry makes one of its own", async (t) => {
  const daemon = await start(t);
  for (let i = 0; i < 3; i++) {
    assert.equal(
      (await daemon.cli(["stream", "append", "s", "-t", "t", "--key", "k"])).stdout,
      "s 1\n",
    );
  }
  const other = await daemon.cli(["stream", "append", "s", "-t", "u", "--key", "k"]);
  assert.equal(other.code, 5);
  assert.equal(
    (await daemon.cli(["stream", "append", "s", "-t", "t", "--retry"])).stdout,
    "s 2\n",
  );
});

for (const via of ["sse", "ws", "poll"]) {
  test(`tail over ${via} follows, survives a crash, and ends on Ctrl-C`, async (t) => {
    const daemon = await start(t);
    await daemon.cli(["stream", "append", "s", "-t", "a"]);
    const tail = stay(t, daemon, ["stream", "tail", "s", "--via", via, "--json"]);
    await tail.lines(1);
    await daemon.cli(["stream", "append", "s", "-t", "b", "-d", '{"x":[1,2.5,"\u00e4"]}']);
    await tail.lines(2);
    await daemon.kill();
    await daemon.start();
    await daemon.cli(["stream", "append", "s", "-t", "c"]);
    assert.deepEqual(await tail.lines(3), [
      '{"seq":1,"type":"a","data":null}',
      '{"seq":2,"type":"b","data":{"x":[1,2.5,"ä"]}}',
      '{"seq":3,"type":"c","data":null}',
    ]);
    assert.match(tail.errors, /trying again/);
    tail.kill("SIGINT");
    await tail.endsWith(0);
  });

  test(`tail over ${via} ends after --count, or with --no-retry`, async (t) => {
    const daemon = await start(t);
    const counting = stay(t, daemon, ["stream", "tail", "s", "--via", via, "--count", "2"]);
    const stopping = stay(t, daemon, ["stream", "tail", "s", "--via", via, "--no-retry"]);
    for (const type of ["a", "b", "c"]) await daemon.cli(["stream", "append", "s", "-t", type]);
    await counting.endsWith(0);
    assert.deepEqual(await counting.lines(2), ["1  a  null", "2  b  null"]);
    await stopping.lines(3);
    await daemon.kill();
    assert.notEqual((await stopping.ended).code, 0);
  });
}

test("--lines acknowledges each line once across crashes, and three readers agree", async (t) => {
  const daemon = await start(t);
  const count = 300;
  const tails = ["sse", "ws", "poll"].map((via) =>
    stay(t, daemon, ["stream", "tail", "s", "--via", via, "-n", String(count), "--json", "-f"]),
  );
  const writer = stay(t, daemon, ["stream", "append", "s", "--lines"]);
  for (let i = 1; i <= count; i++) writer.stdin.write(`{"type":"n","data":{"i":${i}}}\n`);
  writer.stdin.end();
  // A command that has not reached the daemon yet ends when there is none.
  for (const tail of tails) await tail.lines(1);
  for (const acknowledged of [20, 150]) {
    await writer.lines(acknowledged);
    await daemon.kill();
    await daemon.start();
  }
  await writer.endsWith(0);
  assert.deepEqual(
    await writer.lines(count),
    Array.from({ length: count }, (_, i) => String(i + 1)),
  );
  for (const tail of tails) {
    await tail.endsWith(0);
    assert.deepEqual(
      (await tail.lines(count)).map((line) => JSON.parse(line).data.i),
      Array.from({ length: count }, (_, i) => i + 1),
    );
  }
});

test("--lines says which line was refused", async (t) => {
  const daemon = await start(t);
  const input = '{"type":"a"}\n\n{"type":"BAD"}\n{"type":"c"}\n';
  const result = await daemon.cli(["stream", "append", "s", "--lines"], { input });
  assert.equal(result.code, 2);
  assert.equal(result.stdout, "1\n");
  assert.match(result.stderr, /line 3 was not acknowledged/);
});

test("Ctrl-C ends a tail that never has to wait", async (t) => {
  const event = `id: N\nevent: t\ndata: "${"x".repeat(200)}"\n\n`;
  const server = createServer((socket) => {
    let seq = 0;
    const more = () => {
      let text = "";
      for (let i = 0; i < 1000; i++) text += event.replace("N", String(++seq));
      if (!socket.destroyed) socket.write(text, () => setImmediate(more));
    };
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
      more();
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}`;
  const tail = stay(t, { data: "" }, ["stream", "tail", "s", "-f", "--url", url]);
  await tail.lines(5000);
  tail.kill("SIGINT");
  await tail.endsWith(0);
});

test("whatever answers, a client ends with an error and never hangs or crashes", async (t) => {
  const head = "HTTP/1.1 200 OK\r\n";
  const answers = [
    "",
    "garbage\r\n\r\n",
    "HTTP/1.1 200",
    `${head}Content-Length: 100\r\n\r\nshort`,
    `${head}Content-Length: 2\r\n\r\n{]`,
    `${head}Content-Length: 4\r\n\r\nnull`,
    `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
    `${head}X: ${"y".repeat(100000)}\r\n\r\n`,
    "HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops",
    "HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\u0081\u0001x",
    `${head}Content-Type: text/event-stream\r\n\r\nid: x\n\n`,
    `${head}Content-Type: text/event-stream\r\n\r\nid: 7\nevent: t\ndata: 1\n\n`,
  ];
  // Side by side: a command repeats a request whose answer broke off for 10 s.
  await Promise.all(answers.map(async (text) => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(text, "latin1"));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${server.address().port}`;
    for (const args of [
      ["stream", "show", "s"],
      ["stream", "tail", "s", "--via", "sse", "--no-retry"],
      ["stream", "tail", "s", "--via", "ws", "--no-retry"],
      ["stream", "tail", "s", "--via", "poll", "--no-retry"],
    ]) {
      const result = await run([...args, "--url", url]);
      const fine = args[1] === "show" && text.endsWith("null");
      const what = `${args.join(" ")} got ${JSON.stringify(text.slice(0, 60))}: ${result.stderr}`;
      assert.equal(result.signal, null, what);
      if (!fine) assert.ok([1, 2, 3, 7].includes(result.code), `${result.code} ${what}`);
    }
    await new Promise((resolve) => server.close(resolve));
  }));
});

test("help is there for everything", async (t) => {
  const overview = await run(["help"]);
  assert.equal(overview.code, 0);
  const commands = [...overview.stdout.matchAll(/^ {2}([a-z]+(?: [a-z]+)?) {2,}\S/gm)].map(
    (match) => match[1],
  );
  assert.ok(commands.length >= 16, overview.stdout);
  for (const command of commands) {
    const words = command.split(" ");
    const help = await run([...words, "--help"]);
    assert.equal(help.code, 0, help.stderr);
    assert.ok(help.stdout.includes(`Usage: drover ${command}`), help.stdout);
    assert.equal((await run(["help", ...words])).stdout, help.stdout);
    assert.ok(
      help.stdout.split("\n").every((line) => line.length <= 130),
      help.stdout,
    );
  }
  assert.equal((await run([])).code, 0);
  assert.equal((await run(["stream"])).code, 2);
  assert.match((await run(["--version"])).stdout, /^drover \d+\.\d+\.\d+\n$/);
  assert.equal(JSON.parse((await run(["version", "--json"])).stdout).name, "drover");
});

test("an empty DROVER_TOKEN is none", async (t) => {
  const daemon = await start(t);
  assert.equal((await daemon.cli(["stream", "ls"], { env: { DROVER_TOKEN: "" } })).code, 0);
});

test("a line break in a key or a token does not begin a header", async (t) => {
  const daemon = await start(t);
  const value = "a\r\nX-More: b";
  const key = await daemon.cli(["stream", "append", "s", "--type", "x", "--key", value]);
  assert.equal(key.code, 2);
  assert.match(key.stderr, /--key must not contain control characters/);
  const token = await daemon.cli(["stream", "ls"], { env: { DROVER_TOKEN: value } });
  assert.equal(token.code, 2);
  assert.match(token.stderr, /DROVER_TOKEN must not contain control characters/);
  assert.equal((await daemon.cli(["stream", "show", "s"])).code, 3);
});
